//! Services of the app, as fields of components and as arguments.

use std::sync::Arc;

use super::{Call, Extract, HasServices, Kind};
use crate::config::Config;
use crate::error::Result;
use crate::services::Services;

/// Implements the traits of a component's field and of an argument for a service that is cheap to clone.
macro_rules! service {
    ($service:ty) => {
        impl $crate::component::FromServices for $service {
            fn from_services(services: &$crate::services::Services) -> $crate::error::Result<Self> {
                services.get::<Self>().map(|service| (*service).clone())
            }
        }

        impl $crate::component::Extract<$crate::component::Handler> for $service {
            async fn extract(
                call: &mut $crate::component::Call<$crate::component::Handler>,
            ) -> $crate::error::Result<Self> {
                $crate::component::FromServices::from_services(call.services())
            }

            fn check(services: &$crate::services::Services) -> $crate::error::Result<()> {
                <Self as $crate::component::FromServices>::from_services(services).map(drop)
            }
        }

        impl $crate::component::Extract<$crate::component::Remote> for $service {
            async fn extract(
                call: &mut $crate::component::Call<$crate::component::Remote>,
            ) -> $crate::error::Result<Self> {
                $crate::component::FromServices::from_services(call.services())
            }

            fn check(services: &$crate::services::Services) -> $crate::error::Result<()> {
                <Self as $crate::component::FromServices>::from_services(services).map(drop)
            }
        }
    };
}

pub(crate) use service;

// These modules do not know components.
service!(crate::session::SessionPool);
service!(crate::metrics::Metrics);
service!(crate::timer::Timers);

/// The configuration of the app, shared.
impl super::FromServices for Arc<Config> {
    fn from_services(services: &Services) -> Result<Self> {
        services.get()
    }
}

impl<K: Kind> Extract<K> for Arc<Config>
where
    Call<K>: HasServices,
{
    async fn extract(call: &mut Call<K>) -> Result<Self> {
        call.get_services().get()
    }

    fn check(services: &Services) -> Result<()> {
        services.get::<Config>().map(drop)
    }
}
