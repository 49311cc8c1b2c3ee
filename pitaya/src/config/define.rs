//! The macro that defines the structs and the keys of the configuration from one table.

/// Returns the place of a field: `at!(config (nats.tls) ca_file)` is `config.nats.tls.ca_file`.
macro_rules! at {
    ($config:ident ($($section:ident).*) $field:ident) => { $config $(.$section)* .$field };
}

/// Defines a struct for each section, and `KEYS` with a row for each field.
///
/// A section is `Type (path of the section) [its subsections] { rows }`. A row is
/// `field: type as form of the value = default, "key", rules…;`.
macro_rules! keys {
    ($(
        $(#[doc = $about:literal])+
        $section:ident $path:tt [$($child:ident: $child_type:ident),* $(,)?] $(with $private:ident: $private_type:ty)? {
            $(
                $(#[doc = $help:literal])+
                $field:ident: $ty:ty as $value:ty = $default:expr, $name:literal $(, $rule:ident($($arg:expr),*))*;
            )+
        }
    )+) => {
        $(
            $(#[doc = $about])+
            #[non_exhaustive]
            #[derive(Clone)]
            pub struct $section {
                $(
                    $(#[doc = $help])+
                    #[doc = ""]
                    #[doc = concat!(" Key: `", $name, "`.")]
                    pub $field: $ty,
                )+
                $(
                    #[doc = concat!("See [`", stringify!($child_type), "`].")]
                    pub $child: super::$child_type,
                )*
                $(pub(in crate::config) $private: $private_type,)?
            }

            impl Default for $section {
                fn default() -> Self {
                    Self {
                        $($field: $default,)+
                        $($child: Default::default(),)*
                        $($private: Default::default(),)?
                    }
                }
            }

            impl PartialEq for $section {
                fn eq(&self, other: &Self) -> bool {
                    $(self.$field == other.$field)&&+ $(&& self.$child == other.$child)*
                }
            }

            /// Masks secrets.
            impl std::fmt::Debug for $section {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    let mut shown = f.debug_struct(stringify!($section));
                    $({
                        const RULE: Rule<$ty> = Rule::<$ty>::new()$(.$rule($($arg),*))*;
                        let text = RULE.mask(&<$value as ValueType>::show(&self.$field));
                        shown.field(stringify!($field), &format_args!("{text}"));
                    })+
                    $(shown.field(stringify!($child), &self.$child);)*
                    shown.finish_non_exhaustive()
                }
            }
        )+

        /// The rows, in the order they are printed.
        pub(in crate::config) const KEYS: &[Key] = &[$($({
            const RULE: Rule<$ty> = Rule::<$ty>::new()$(.$rule($($arg),*))*;
            Key {
                name: $name,
                help: concat!($($help),+),
                type_name: <$value as ValueType>::NAME,
                table: <$value as ValueType>::TABLE,
                aliases: RULE.aliases,
                allowed: RULE.text(),
                secret: RULE.secret,
                addresses: RULE.addresses,
                no_effect: None,
                read: |config, raw| {
                    at!(config $path $field) = <$value as ValueType>::parse(raw)?;
                    Ok(())
                },
                show: |config| <$value as ValueType>::show(&at!(config $path $field)),
                check: |config| RULE.check::<$value>(&at!(config $path $field)),
            }
        }),+),+];
    };
}
