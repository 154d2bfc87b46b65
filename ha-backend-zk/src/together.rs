//! Futures that begin in order.
//!
//! The order in which requests are polled first is the order in which they are sent.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// A future, and its result once it is there.
struct Open<F: Future> {
    future: Pin<Box<F>>,
    result: Option<F::Output>,
}

/// The results of all futures, which are polled in their order from the first poll on.
pub(crate) async fn together<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let open = |future| Open { future: Box::pin(future), result: None };
    let mut all: Vec<Open<F>> = futures.into_iter().map(open).collect();
    poll_fn(|cx| {
        let mut is_ready = true;
        for Open { future, result } in &mut all {
            if result.is_none() {
                match future.as_mut().poll(cx) {
                    Poll::Ready(done) => *result = Some(done),
                    Poll::Pending => is_ready = false,
                }
            }
        }
        if is_ready { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    all.into_iter().filter_map(|open| open.result).collect()
}

#[cfg(test)]
mod tests {
    use super::together;
    use std::cell::RefCell;

    /// Notes when it begins, and takes so many polls more.
    async fn one(number: usize, begun: &RefCell<Vec<usize>>) -> usize {
        begun.borrow_mut().push(number);
        for _ in 0..number {
            tokio::task::yield_now().await;
        }
        number
    }

    #[tokio::test]
    async fn all_begin_in_order_and_none_is_polled_again_once_it_is_done() {
        let begun = RefCell::new(Vec::new());
        assert_eq!(together([3, 0, 1].map(|number| one(number, &begun))).await, [3, 0, 1]);
        assert_eq!(*begun.borrow(), [3, 0, 1]);
        assert!(together(Vec::<std::future::Ready<()>>::new()).await.is_empty());
    }
}
