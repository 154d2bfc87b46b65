//! Many claims at once.

use std::time::Duration;

use bytes::BytesMut;
use serde::Serialize;

use super::claim::{Claim, Settled};
use super::driver::ask;
use super::state::{Answer, Request, Verdict};
use super::{WorkSet, encode_in, refuse_size};
use crate::coordinator::closed;
use crate::error::Error;

impl<T> WorkSet<T> {
    /// Ends many claims as done, in as few requests as they fit in: for each what [`complete`](Claim::complete) would say, or `InvalidInput` for a claim that was made in another
    /// work-set or by another coordinator.
    ///
    /// # Cancel safety
    /// The completions go on in the background.
    pub async fn complete_all<'a, R: Serialize + 'a>(
        &self,
        done: impl IntoIterator<Item = (&'a Claim<T>, R)>,
    ) -> Vec<Result<Settled, Error>>
    where
        T: 'a,
    {
        let mut buffer = BytesMut::with_capacity(4_096);
        let encoded = |(claim, result): (&'a Claim<T>, R)| {
            let result = claim
                .ticket()
                .refuse_foreign("complete item", &self.engine)
                .and_then(|()| encode_in(&mut buffer, "complete item", claim.id(), &result))
                .and_then(|result| refuse_size("complete item", claim.id(), &result).map(|()| result));
            (claim, result)
        };
        let done: Vec<_> = done.into_iter().map(encoded).collect();
        let mut answers = Vec::with_capacity(done.len());
        let (mut claims, mut list) = (Vec::with_capacity(done.len()), Vec::with_capacity(done.len()));
        for (claim, result) in done {
            answers.push(match result {
                Ok(result) => {
                    claims.push(claim);
                    list.push(claim.ticket().verdict(Verdict::Complete(result)));
                    None
                }
                Err(error) => Some(Err(error)),
            });
        }
        let policy = self.policy;
        let request = |caller| Request::Settle { caller: Some(caller), policy, list };
        let settled = match ask(&self.engine, "complete items", request).await {
            Ok(Answer::Settled(settled)) => {
                settled.into_iter().map(|outcome| outcome.map(Settled::of)).collect()
            }
            Ok(_) => Vec::new(),
            Err(error) => claims.iter().map(|_| Err(error.duplicate())).collect(),
        };
        let ended = claims.iter().zip(&settled).filter(|(_, outcome)| outcome.is_ok());
        ended.for_each(|(claim, _)| claim.ticket().end());
        let mut settled = settled.into_iter();
        let next = || settled.next().unwrap_or_else(|| Err(closed("complete items", self.name())));
        fill(answers, next)
    }

    /// Sets the [deadline](Self::deadline) of many claims to `span` from now on: for each what [`extend`](Claim::extend) would say.
    ///
    /// # Errors
    /// As [`extend`](Claim::extend), for the first that fails. `InvalidInput` if one of the claims was made in another work-set or by another coordinator: nothing was done.
    ///
    /// # Cancel safety
    /// The deadlines may or may not be moved.
    pub async fn extend_all<'a>(
        &self,
        claims: impl IntoIterator<Item = &'a Claim<T>>,
        span: Duration,
    ) -> Result<Vec<Settled>, Error>
    where
        T: 'a,
    {
        let place = |claim: &'a Claim<T>| {
            claim.ticket().refuse_foreign("extend claims", &self.engine).map(|()| claim.ticket().place())
        };
        let claims = claims.into_iter().map(place).collect::<Result<Vec<_>, _>>()?;
        let mut settled = Vec::with_capacity(claims.len());
        for some in claims.chunks(self.hub.capabilities().operations_max.max(1)) {
            let claims = some.to_vec();
            let answer =
                ask(&self.engine, "extend claims", |caller| Request::Extend { caller, claims, span });
            let Answer::Settled(answers) = answer.await? else { break };
            for outcome in answers {
                settled.push(Settled::of(outcome?));
            }
        }
        Ok(settled)
    }
}

/// The answers that are not there yet, in their places.
fn fill<A>(answers: Vec<Option<A>>, mut next: impl FnMut() -> A) -> Vec<A> {
    answers.into_iter().map(|answer| answer.unwrap_or_else(&mut next)).collect()
}
