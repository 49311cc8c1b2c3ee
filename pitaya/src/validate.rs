//! The bridge from `garde` to messages with rules: `#[message(validate)]`.

use crate::error::Result;

/// A message that has rules.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no rules to validate",
    label = "`validate` needs rules",
    note = "derive `garde::Validate` for `{Self}`, and turn on the feature `garde` of `pitaya`"
)]
#[doc(hidden)]
pub trait Rules {
    /// Checks the rules.
    fn check(&self) -> Result<()>;
}

#[cfg(feature = "garde")]
#[diagnostic::do_not_recommend]
impl<T: garde::Validate> Rules for T
where
    T::Context: Default,
{
    fn check(&self) -> Result<()> {
        use crate::error::{Error, code};
        self.validate().map_err(|report| Error::new(code::UNKNOWN, report.to_string()))
    }
}
