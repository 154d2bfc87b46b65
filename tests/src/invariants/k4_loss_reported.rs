//! K4: a proof of life after the end of the session is answered with its loss.

use super::Invariant;
use super::bounds::Bounds;
use super::index::Index;
use super::violation::Broken;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "K4",
    sentence: "no renewal that was sent after the end of its session succeeds, and no commit of the session is applied any more",
    guarantees: "G23, G24, G27",
    judge,
};

fn judge(index: &Index<'_>, _: &Bounds) -> Result<(), Broken> {
    for session in &index.log.sessions {
        let Some((_, ended)) = session.ended else { continue };
        if let Some(late) = session.late_renewal {
            let message =
                format!("a renewal of session {} succeeded that was sent after its end", session.name);
            return Err(Broken::new(message, [ended, late]));
        }
    }
    // What a store forgot that went back, it may see end twice.
    if !index.log.discontinuities.is_empty() {
        return Ok(());
    }
    for commit in &index.log.commits {
        let Some(session) = commit.session.and_then(|name| index.log.find_session(name)) else { continue };
        let session = &index.log.sessions[session];
        if let Some((_, ended)) = session.ended.filter(|(_, ended)| ended.at < commit.mark.at) {
            let message =
                format!("session {} committed revision {} after its end", session.name, commit.revision);
            return Err(Broken::new(message, [ended, commit.mark]));
        }
    }
    Ok(())
}
