//! State that is a trait object behind a pointer, as an argument and as a field.
use std::sync::Arc;

use pitaya::prelude::*;

trait Store: Send + Sync {
    fn size(&self) -> usize;
}

#[derive(Component)]
struct Shop {
    store: State<Arc<dyn Store>>,
    boxed: State<Box<dyn Store>>,
}

#[message]
struct Size {
    value: u32,
}

type Shared = Arc<dyn Store>;

#[handler]
impl Shop {
    pub async fn arc(&self, store: State<Arc<dyn Store>>) -> Result<Size> {
        Ok(Size { value: (store.size() + self.store.size() + self.boxed.size()) as u32 })
    }
    pub async fn boxed(&self, store: State<Box<dyn Store>>, msg: Size) -> Result<Size> {
        Ok(Size { value: msg.value + store.size() as u32 })
    }
    pub async fn full(&self, store: State<Arc<dyn Store + Send + Sync + 'static>>) {
        drop(store);
    }
    pub async fn alias(&self, store: State<Shared>) {
        drop(store);
    }
    pub async fn boxed_fn(&self, f: State<Arc<dyn Fn(u32) -> u32 + Send + Sync>>) {
        f(1);
    }
}

#[remote(server = "shop")]
impl Shop {
    pub async fn sell(&self, store: State<Arc<dyn Store>>) -> Result<Size> {
        Ok(Size { value: store.size() as u32 })
    }
}

#[test]
fn compiles() {}
