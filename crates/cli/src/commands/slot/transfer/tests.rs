//! Offers: found in events, read from files.

use provery_types::BlockRef;

use super::*;

const MARKET: U256 = U256::from_limbs([1, 0, 0, 0]);
const HOLDER: Address = Address::repeat_byte(1);
const OTHER: Address = Address::repeat_byte(2);

fn slot(prover: Address) -> Slot {
    Slot { market: MARKET, id: 3, prover, ..Default::default() }
}

fn offered(id: u64, digest: u8, price: i128) -> Event {
    Event::TransferOffered {
        market: MARKET,
        id,
        prover: HOLDER,
        digest: B256::repeat_byte(digest),
        to: None,
        price,
        valid_until: 9,
    }
}

fn taken(from: Address, by: Address, price: i128) -> Event {
    Event::SlotTransferred { slot: slot(by), from, price }
}

/// Prices of the offers that stand while `holder` has the slot.
fn prices(holder: Address, events: Vec<Event>) -> Vec<i128> {
    let logged: Vec<LoggedEvent> = events
        .into_iter()
        .map(|event| LoggedEvent {
            event,
            address: Address::ZERO,
            block: BlockRef::default(),
            tx_hash: B256::ZERO,
            log_index: 0,
        })
        .collect();
    open_offers(&logged, &slot(holder)).values().map(|offer| offer.price).collect()
}

#[test]
fn offers_stand_until_revoked_or_taken() {
    let revoked = Event::TransferRevoked { prover: HOLDER, digest: B256::repeat_byte(1) };
    let of_holder = |events| prices(HOLDER, events);
    assert_eq!(of_holder(vec![offered(3, 1, 5), offered(4, 2, 6), offered(3, 3, -7)]), [5, -7]);
    assert_eq!(of_holder(vec![offered(3, 1, 5), revoked.clone(), offered(3, 3, 7)]), [7]);
    assert_eq!(of_holder(vec![offered(3, 1, 5), revoked, offered(3, 1, 5)]), [5], "offered again");
    let sold = vec![offered(3, 1, 5), offered(3, 3, 7), taken(HOLDER, OTHER, 5)];
    assert_eq!(prices(OTHER, sold.clone()), [] as [i128; 0], "of another, so void");
    assert_eq!(of_holder([sold, vec![taken(OTHER, HOLDER, 0)]].concat()), [7], "what was not taken");
}
