//! What may end in a slash and is not about one slot: said before it does, with what to do.

use provery_types::SlotKey;

use super::scene::Scene;
use crate::{
    book::unix_millis,
    concern::Concern,
    service::presence::{draws::stays_in_draws, reason::PauseReason},
};

/// How long it is said that another program used the key, in milliseconds.
const SHARED_FOR_MS: u64 = 600_000;

/// What alarms follow from.
#[derive(Clone, Debug, Default)]
pub(super) struct Signs {
    /// An endpoint answers.
    connected: bool,
    /// A block of which endpoints tell different logs.
    disputed: Option<u64>,
    /// Slots held whose bond is at stake.
    at_stake: usize,
    /// Bids whose bond is lost soon unless this is sent.
    late_bids: Vec<(SlotKey, &'static str)>,
    /// The prover is in the draws and should not be; why.
    to_leave: Option<&'static str>,
    /// Why it could not be paused.
    trouble: Option<String>,
    /// The account that signs.
    key: String,
    /// Nonces of it that others used, and for how long that was not seen again, in milliseconds.
    foreign: (u64, u64),
    /// For how many milliseconds none of them was one that this node had signed for; nothing if none ever was.
    lost_ms: Option<u64>,
    /// It is paused, and not by this node.
    held_out: bool,
    /// By another node that runs with this key.
    rival: bool,
}

/// What is to be said of it.
pub(super) fn alarms(signs: &Signs) -> Vec<Concern> {
    let mut alarms = Vec::new();
    if !signs.connected && signs.at_stake > 0 {
        let held = signs.at_stake;
        alarms.push(Concern::of_node(
            Concern::BLIND,
            format!(
                "no endpoint answers, and {held} slots are held whose bonds are at stake: bring an endpoint back, or add one to \
                 rpc_urls and start the node again"
            ),
        ));
    }
    if let Some(block) = signs.disputed {
        alarms.push(Concern::of_node(
            Concern::LOGS_DISPUTED,
            format!(
                "endpoints tell different logs of block {block}, or one does each time, and none shows receipts that prove its \
                 own: what is at stake may be hidden or made up; take the one that you trust least out of rpc_urls, or add a \
                 third, and start the node again"
            ),
        ));
    }
    for (key, action) in &signs.late_bids {
        let message = format!(
            "the bid for slot {key} waits for its `{action}`, and its bond is lost in seconds: see to the endpoints and the key's \
             gas funds"
        );
        alarms.push(Concern {
            market: key.market,
            slot: Some(key.id),
            ..Concern::of_node(Concern::BID_LATE, message)
        });
    }
    let mut say = |code, message: String| alarms.push(Concern::of_node(code, message));
    if let Some(reason) = signs.to_leave {
        let trouble = match (&signs.trouble, signs.connected) {
            (_, false) => Some("no endpoint answers"),
            (trouble, true) => trouble.as_deref(),
        };
        if let Some(trouble) = trouble {
            say(
                Concern::PAUSE_FAILS,
                format!(
                    "the prover should be out of the draws ({reason}) and cannot be paused ({trouble}): mend that, or run \
                     `provery prover pause` with its key and another endpoint"
                ),
            );
        }
    }
    let (nonces, quiet_ms) = signs.foreign;
    let key = &signs.key;
    if signs.lost_ms.is_some_and(|ago| ago < SHARED_FOR_MS) {
        say(
            Concern::KEY_SHARED,
            format!(
                "a transaction of this node's lost its nonce to one that it did not sign: stop whatever else runs with the key \
                 {key}, or give it a key of its own (`provery prover submitter add`); both lose transactions to each other"
            ),
        );
    } else if nonces > 0 && quiet_ms < SHARED_FOR_MS {
        say(
            Concern::KEY_USED,
            format!(
                "{nonces} nonces of {key} went to transactions that this node did not sign: commands of its operator do no harm; \
                 if a second node runs with this key, stop it"
            ),
        );
    }
    if signs.rival {
        say(
            Concern::KEY_SHARED,
            format!(
                "another node that runs with the key {key} paused the prover, and did so again when this one took that back: stop \
                 one of them, or make them a leader and its standby, then run `provery prover resume`"
            ),
        );
    } else if signs.held_out {
        say(
            Concern::PAUSED_BY_OPERATOR,
            "the prover is paused, and this node did not pause it, so it stays so: run `provery prover resume` to be drawn again"
                .to_owned(),
        );
    }
    alarms
}

/// What is so now.
pub(super) fn signs(scene: &Scene<'_>) -> Signs {
    let Scene { handles, book, .. } = *scene;
    let outbox = handles.sender.status();
    let prover_status = book.facts().prover_status(handles.me());
    let held_out_by = book.facts().held_out_by(handles.me()).filter(|_| prover_status.paused);
    let leaving = match scene.pause_reason {
        Some(PauseReason::Stopping) => {
            stays_in_draws(handles, book, scene.tenure.drawn).then_some(PauseReason::Stopping)
        }
        pause_reason => pause_reason.filter(|_| handles.config.upkeep && prover_status.active()),
    };
    Signs {
        connected: handles.chain.rpc().endpoints().iter().any(|endpoint| endpoint.up),
        disputed: scene.intake.feed.health.borrow().disputed,
        at_stake: book.at_stake(),
        late_bids: scene.keeper.late_bids().to_vec(),
        to_leave: leaving.map(PauseReason::name),
        trouble: scene.presence.trouble().map(|trouble| trouble.message.clone()),
        key: handles.sender.address().to_string(),
        foreign: (outbox.foreign_nonces, unix_millis().saturating_sub(outbox.foreign_at_ms)),
        lost_ms: (outbox.lost_at_ms > 0).then(|| unix_millis().saturating_sub(outbox.lost_at_ms)),
        held_out: held_out_by.is_some(),
        rival: held_out_by.is_some_and(|pause| scene.presence.is_rivals(pause)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(signs: &Signs) -> Vec<&'static str> {
        alarms(signs).iter().map(|concern| concern.code).collect()
    }

    #[test]
    fn whatever_may_end_in_a_slash_is_an_alarm_that_says_what_to_do() {
        let well = Signs { connected: true, at_stake: 2, key: "0xabc".to_owned(), ..Signs::default() };
        assert_eq!(codes(&well), [""; 0]);
        let blind = Signs { connected: false, ..well.clone() };
        assert_eq!(codes(&blind), [Concern::BLIND]);
        assert_eq!(codes(&Signs { at_stake: 0, ..blind.clone() }), [""; 0]);
        assert_eq!(codes(&Signs { disputed: Some(7), ..well.clone() }), [Concern::LOGS_DISPUTED]);
        // Told to stop while nobody answers.
        let stopping = Signs { to_leave: Some("stopping"), ..blind };
        assert_eq!(codes(&stopping), [Concern::BLIND, Concern::PAUSE_FAILS]);
        assert!(alarms(&stopping)[1].message.contains("provery prover pause"));
        let leaving = Signs { to_leave: Some("overloaded"), ..well.clone() };
        assert_eq!(codes(&leaving), [""; 0], "it is on its way");
        let poor = Signs { trouble: Some("too dear".to_owned()), ..leaving };
        assert_eq!(codes(&poor), [Concern::PAUSE_FAILS]);
        let shared = Signs { foreign: (3, 1_000), ..well.clone() };
        assert!(alarms(&shared)[0].message.starts_with("3 nonces of 0xabc"));
        assert_eq!(codes(&Signs { foreign: (3, SHARED_FOR_MS), ..shared.clone() }), [""; 0]);
        assert!(!alarms(&shared)[0].is_alarm(), "its operator may have typed a command");
        let robbed = Signs { lost_ms: Some(1_000), ..shared };
        assert_eq!(codes(&robbed), [Concern::KEY_SHARED]);
        assert!(alarms(&robbed).iter().all(Concern::is_alarm));
        let key = SlotKey { market: alloy::primitives::U256::from(3), id: 4 };
        let late = Signs { late_bids: vec![(key, "reveal")], ..well.clone() };
        assert_eq!((codes(&late), alarms(&late)[0].slot), (vec![Concern::BID_LATE], Some(4)));
        let fought = Signs { held_out: true, rival: true, ..well.clone() };
        assert_eq!(codes(&fought), [Concern::KEY_SHARED]);
        assert!(alarms(&fought)[0].message.contains("0xabc"));
        let held = alarms(&Signs { held_out: true, ..well });
        assert_eq!((held[0].code, held[0].is_alarm()), (Concern::PAUSED_BY_OPERATOR, false));
    }
}
