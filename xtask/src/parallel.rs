//! Work on several things at a time.

use std::sync::{Mutex, PoisonError};
use std::thread;

/// Does the work for each item, `width` at a time, in their order. Fails with the errors of all that failed.
pub(crate) fn for_each<T: Send>(
    items: Vec<T>,
    width: usize,
    work: impl Fn(T) -> Result<(), String> + Sync,
) -> Result<(), String> {
    let queue = Mutex::new(items.into_iter());
    let errors = Mutex::new(Vec::new());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        for _ in 0..width {
            scope.spawn(|| {
                while let Some(item) = next() {
                    if let Err(error) = work(item) {
                        errors.lock().unwrap_or_else(PoisonError::into_inner).push(error);
                    }
                }
            });
        }
    });
    let errors = errors.into_inner().unwrap_or_else(PoisonError::into_inner);
    if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) }
}

/// The number of processors.
pub(crate) fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn all_items_are_worked_on_several_at_a_time() {
        let both = Barrier::new(2);
        let result = for_each(vec![1, 2, 3, 4], 2, |item| {
            both.wait();
            if item % 2 == 0 { Err(format!("{item} is even")) } else { Ok(()) }
        });
        let mut errors: Vec<_> = result.as_ref().unwrap_err().lines().collect();
        errors.sort_unstable();
        assert_eq!(errors, ["2 is even", "4 is even"]);
        assert_eq!(for_each(vec![1], 2, |_| Ok(())), Ok(()));
    }
}
