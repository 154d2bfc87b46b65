//! The search for a linearization: agreement with trying every order, the models, and the budget.

use ha_conformance::history::{Action, Outcome, Version};
use ha_conformance::invariants::linearizability::{
    EntryModel, EntryOperation, FencedMutexModel, Model, MutexModel, MutexOperation, Timed, Verdict, check,
};

const STEPS: u64 = 1_000_000;

fn acquire(token: u64) -> MutexOperation {
    MutexOperation::Acquire { token }
}

fn release(token: u64) -> MutexOperation {
    MutexOperation::Release { token }
}

/// A small generator of repeatable numbers: what matters is only that they vary.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Tries every order of every choice of the unknown operations.
fn by_force<M: Model>(
    model: &M,
    state: &M::State,
    history: &[Timed<M::Operation>],
    placed: &mut Vec<usize>,
) -> bool {
    let missing = |placed: &[usize]| (0..history.len()).filter(|n| !placed.contains(n)).collect::<Vec<_>>();
    let left = missing(placed);
    if left.iter().all(|number| history[*number].returned.is_none()) {
        return true;
    }
    let deadline = left.iter().filter_map(|number| history[*number].returned).min().unwrap_or(u64::MAX);
    for number in left {
        if history[number].invoked > deadline {
            continue;
        }
        if let Some(after) = model.apply(state, &history[number].operation) {
            placed.push(number);
            if by_force(model, &after, history, placed) {
                return true;
            }
            placed.pop();
        }
    }
    false
}

fn agrees<M: Model>(model: &M, history: &[Timed<M::Operation>]) -> bool {
    let possible = by_force(model, &model.initial(), history, &mut Vec::new());
    let verdict = check(model, history, STEPS);
    assert_eq!(verdict == Verdict::Linearizable, possible);
    assert_ne!(verdict, Verdict::Undecided);
    possible
}

/// A span of time for an operation, and whether its outcome is known.
fn timed<O>(numbers: &mut Numbers, operation: O) -> Timed<O> {
    let invoked = numbers.below(12);
    match numbers.below(5) {
        0 => Timed::unknown(invoked, operation),
        length => Timed::new(invoked, invoked + length * 2, operation),
    }
}

#[test]
fn the_search_agrees_with_trying_every_order_of_lock_operations() {
    let (mut possible, mut numbers) = (0, Numbers(1));
    for _ in 0..3_000 {
        let history: Vec<_> = (0..6)
            .map(|_| {
                let token = 1 + numbers.below(3);
                let operation = if numbers.below(2) == 0 { acquire(token) } else { release(token) };
                timed(&mut numbers, operation)
            })
            .collect();
        agrees(&MutexModel::default(), &history);
        possible += u32::from(agrees(&FencedMutexModel::default(), &history));
    }
    assert!(
        (300..2_700).contains(&possible),
        "{possible} of 3000 histories were possible: too one-sided to mean much"
    );
}

#[test]
fn the_search_agrees_with_trying_every_order_of_requests() {
    let (mut possible, mut numbers) = (0, Numbers(2));
    for _ in 0..6_000 {
        let history: Vec<_> = (0..5)
            .map(|number| {
                let (one, two) = (1 + numbers.below(3), 1 + numbers.below(3));
                let operation = match numbers.below(8) {
                    0 => EntryOperation::new(Action::Get, Outcome::Seen(None)),
                    1 => EntryOperation::new(Action::Get, Outcome::Seen(Some(Version::new(one, one, two)))),
                    2 => EntryOperation::new(Action::Create { value: two }, Outcome::Conflict),
                    3 | 4 => {
                        EntryOperation::new(Action::Create { value: two }, Outcome::Applied { revision: one })
                    }
                    5 => EntryOperation::new(
                        Action::Update { created: one, modified: one, value: two },
                        Outcome::Applied { revision: 10 + number },
                    ),
                    _ => EntryOperation::new(
                        Action::Delete { created: one },
                        Outcome::Applied { revision: 20 + number },
                    ),
                };
                let mut timed = timed(&mut numbers, operation);
                if timed.returned.is_none() {
                    timed.operation.outcome = Outcome::Unknown;
                }
                timed
            })
            .collect();
        possible += u32::from(agrees(&EntryModel::default(), &history));
    }
    assert!(
        (300..5_700).contains(&possible),
        "{possible} of 6000 histories were possible: too one-sided to mean much"
    );
}

#[test]
fn a_search_that_is_too_long_is_undecided_and_says_so() {
    // Twelve creations at once of which none can be the one that is read: every order is as good as any other.
    let mut history: Vec<_> = (0..24)
        .map(|value| {
            let operation = if value % 2 == 0 {
                EntryOperation::new(Action::Create { value }, Outcome::Unknown)
            } else {
                EntryOperation::new(Action::Delete { created: value }, Outcome::Unknown)
            };
            Timed::unknown(0, operation)
        })
        .collect();
    let read = EntryOperation::new(Action::Get, Outcome::Seen(Some(Version::new(1, 1, 99))));
    history.push(Timed::new(1, 2, read));
    assert_eq!(check(&EntryModel::default(), &history, 1_000), Verdict::Undecided);
}

#[test]
fn a_budget_that_is_just_enough_decides() {
    let history: Vec<_> = (0..100)
        .flat_map(|turn| {
            let (from, token) = (turn * 10, turn + 1);
            [Timed::new(from, from + 2, acquire(token)), Timed::new(from + 3, from + 5, release(token))]
        })
        .collect();
    assert_eq!(check(&FencedMutexModel::default(), &history, 200), Verdict::Linearizable);
    assert_eq!(check(&FencedMutexModel::default(), &history, 199), Verdict::Undecided);
}

#[test]
fn the_operation_that_nothing_explains_is_named() {
    let history = [
        Timed::new(0, 1, acquire(1)),
        Timed::new(2, 3, release(1)),
        Timed::new(4, 5, acquire(2)),
        Timed::new(6, 7, acquire(3)),
        Timed::new(8, 9, release(2)),
    ];
    assert_eq!(check(&FencedMutexModel::default(), &history, STEPS), Verdict::Impossible { stuck_at: 3 });
}

#[test]
fn a_plain_mutex_asks_nothing_of_tokens() {
    let history = [
        Timed::new(0, 1, acquire(7)),
        Timed::new(2, 3, release(7)),
        Timed::new(4, 5, acquire(2)),
        Timed::new(6, 7, release(2)),
        Timed::new(8, 9, acquire(7)),
    ];
    assert_eq!(check(&MutexModel::default(), &history, STEPS), Verdict::Linearizable);
    assert_eq!(check(&FencedMutexModel::default(), &history, STEPS), Verdict::Impossible { stuck_at: 2 });
}

#[test]
fn a_crowd_of_waiters_costs_few_steps() {
    // Twenty callers wait from the beginning on and are served one after the other: what makes naive searches explode.
    let history: Vec<_> = (0..20)
        .flat_map(|turn| {
            let (granted, token) = (100 + turn * 10, turn + 1);
            [Timed::new(turn, granted, acquire(token)), Timed::new(granted + 5, granted + 6, release(token))]
        })
        .collect();
    assert_eq!(check(&FencedMutexModel::default(), &history, 1_000), Verdict::Linearizable);
}
