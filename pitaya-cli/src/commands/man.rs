//! `pitaya man`.

use clap_mangen::Man;

use super::{Done, print};

/// Prints one page: the command, and then each of its commands.
pub(crate) fn run(mut command: clap::Command) -> Done {
    // Fills in the names `pitaya schema diff`.
    command.build();
    let mut page = Vec::new();
    write(&command, &mut page).map_err(|error| format!("failed to write the man page: {error}"))?;
    print(&page)
}

fn write(command: &clap::Command, page: &mut Vec<u8>) -> std::io::Result<()> {
    let man = Man::new(command.clone());
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    sections(command, page)
}

fn sections(command: &clap::Command, page: &mut Vec<u8>) -> std::io::Result<()> {
    for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
        if command.has_subcommands() {
            sections(command, page)?;
            continue;
        }
        let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
        page.extend_from_slice(format!(".SH {}\n", name.replace('-', "\\-")).as_bytes());
        let help = command.clone().disable_help_flag(true).render_long_help().to_string();
        for line in help.lines() {
            // A line that begins with a dot or a quote would be a command of roff.
            page.extend_from_slice(b".br\n\\&");
            page.extend_from_slice(line.replace('\\', "\\e").replace('-', "\\-").as_bytes());
            page.push(b'\n');
        }
    }
    Ok(())
}
