//! Services of the app as fields of components and as arguments.

/// Makes a service that is cheap to clone a component's field and an argument of handlers and remotes.
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
        }

        impl $crate::component::Extract<$crate::component::Remote> for $service {
            async fn extract(
                call: &mut $crate::component::Call<$crate::component::Remote>,
            ) -> $crate::error::Result<Self> {
                $crate::component::FromServices::from_services(call.services())
            }
        }
    };
}

pub(crate) use service;
