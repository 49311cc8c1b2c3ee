//! Uids that carry the name, the session and the server of a member.
//!
//! `ann-7@connector-1` is session 7 of `connector-1`, with the name ann; a standalone server has `ann-7`. The list of uids
//! is therefore all that servers need to share. A uid is an id, not a display name: letters and digits of the name stay,
//! other characters are written as their codes.

/// The most bytes of a uid.
const LONGEST: usize = 128;

/// Returns the uid of a session. `frontend` is the server with the session, if it is another one. A long name is cut.
pub(crate) fn uid_for(name: &str, session: u64, frontend: Option<&str>) -> String {
    let mut end = session.to_string();
    if let Some(frontend) = frontend {
        end = format!("{end}@{frontend}");
    }
    let mut uid = String::new();
    for c in name.trim().chars() {
        let c = if c.is_alphanumeric() { c.to_string() } else { format!("~{:x}~", u32::from(c)) };
        if uid.len() + c.len() + 1 + end.len() > LONGEST {
            break;
        }
        uid += &c;
    }
    if uid.is_empty() { end } else { format!("{uid}-{end}") }
}

/// Returns the name of a member.
pub(crate) fn name_of(uid: &str) -> String {
    let session = uid.split('@').next().unwrap_or_default();
    let Some((name, _)) = session.split_once('-') else { return format!("guest {session}") };
    // Every other part is the code of a character.
    let part = |(n, part): (usize, &str)| match n % 2 {
        0 => part.to_owned(),
        _ => u32::from_str_radix(part, 16).ok().and_then(char::from_u32).map_or(String::new(), String::from),
    };
    name.split('~').enumerate().map(part).collect()
}

/// Returns the server with the session of a member, in a cluster.
pub(crate) fn frontend_of(uid: &str) -> Option<&str> {
    uid.split_once('@').map(|(_, frontend)| frontend)
}

#[cfg(test)]
mod tests {
    use pitaya::session::check_uid;

    use super::*;

    #[test]
    fn uid_for_any_name_is_valid_and_reversible() {
        let server = "0d9d5f3c-3f0e-4a75-b9a8-ffb8e8b7a9d2";
        for name in ["ann", "Bob Müller 日本", "a.b/c*d>e", "-~@-", "👩‍🚀", "line\nline", "0", &"x".repeat(60)]
        {
            for frontend in [None, Some(server)] {
                let uid = uid_for(name, 4_000_000_000, frontend);
                assert_eq!((name_of(&uid).as_str(), frontend_of(&uid)), (name, frontend), "{uid}");
                check_uid(&uid).unwrap();
            }
        }
    }

    #[test]
    fn a_uid_reads_well_if_the_name_does() {
        assert_eq!(uid_for("ann", 7, None), "ann-7");
        assert_eq!(uid_for("ann", 7, Some("connector-1")), "ann-7@connector-1");
        assert_eq!(uid_for("Bob Müller", 8, None), "Bob~20~Müller-8");
    }

    #[test]
    fn without_a_name_one_is_a_guest() {
        for name in ["", "  \n"] {
            assert_eq!(uid_for(name, 9, None), "9");
            assert_eq!(name_of(&uid_for(name, 9, Some("connector-1"))), "guest 9");
        }
    }

    #[test]
    fn long_name_is_cut_at_a_character() {
        for (name, kept) in [("x".repeat(500), "x".repeat(126)), ("日".repeat(500), "日".repeat(42))] {
            let uid = uid_for(&name, 1, None);
            check_uid(&uid).unwrap();
            assert_eq!(name_of(&uid), kept);
        }
        assert_eq!(name_of(&uid_for(&" x".repeat(500), 1, None)).len(), 51);
    }

    #[test]
    fn what_is_no_uid_of_ours_is_read_without_a_panic() {
        for uid in ["", "-", "@", "a~", "a~zz~-1", "~110000~-1", "~~-1@", "日本"] {
            let _ = (name_of(uid), frontend_of(uid));
        }
    }
}
