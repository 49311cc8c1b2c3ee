//! Other items than plain methods in a block, and unusual arguments.
#![deny(warnings)]
#![allow(dead_code)]
use pitaya::Context;
use pitaya::prelude::*;

#[message]
pub struct Join {
    pub name: String,
}

#[derive(Component)]
pub struct Entry;

macro_rules! constant {
    ($name:ident) => {
        const $name: usize = 1;
    };
}

/// Makes a whole component, with names from both sides of the macro.
macro_rules! component {
    ($component:ident, $method:ident, $message:ty) => {
        #[derive(Component)]
        pub struct $component;

        #[handler(server = "made")]
        impl $component {
            pub async fn $method(&self, session: Session, msg: $message) -> Result<$message> {
                drop(session);
                Ok(msg)
            }
            pub async fn fixed(&self, msg: $crate::Join) -> Result<()> {
                drop(msg);
                Ok(())
            }
        }

        #[remote(server = "made")]
        impl $component {
            pub async fn ask(&self, msg: $message, #[extract] _app: App) -> Result<$message> {
                Ok(msg)
            }
        }
    };
}

component!(Made, join, Join);

#[handler(server = "connector")]
impl Entry {
    constant!(LIMIT);
    constant! { OTHER }

    #[allow(clippy::needless_return)]
    #[inline]
    #[doc(hidden)]
    pub async fn attributes(&self, #[allow(unused_variables)] msg: Join) {
        return;
    }
    pub async fn patterns(
        &self,
        Join { mut name }: Join,
        Context { .. }: Context,
        _: Session,
    ) -> Result<Join> {
        name.push('!');
        Ok(Join { name })
    }
    pub async fn closures(&self, mut msg: Join) -> Result<Join> {
        let add = async |text: &str| msg.name.push_str(text);
        let mut add = add;
        add("!").await;
        Ok(msg)
    }
    pub async fn r#async(&self, msg: Join) -> std::result::Result<Option<Join>, pitaya::Error> {
        Ok(Some(msg))
    }
    #[skip]
    #[must_use]
    pub const fn limit() -> usize
    where
        u8: Send,
    {
        Self::LIMIT + Self::OTHER
    }
    #[skip]
    pub fn generic<'a, T: Into<String>, const N: usize>(
        &'a mut self,
        _: T,
        _: [u8; N],
        _: impl Sized,
    ) -> &'a Self {
        self
    }
    #[skip]
    pub unsafe fn not_safe(self: Box<Self>) {}
    pub(crate) extern "C" fn foreign() {}
}

#[test]
fn compiles() {
    let routes = [Made::JOIN.path(), Entry::PATTERNS.path(), Entry::ASYNC.path(), MadeClient::ASK.path()]
        .map(str::to_owned);
    assert_eq!(
        routes,
        ["made.made.join", "connector.entry.patterns", "connector.entry.async", "made.made.ask"]
    );
}
