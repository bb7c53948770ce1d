//! A market's terms on the command line and in JSON.

use std::{fs, path::Path, str::FromStr};

use alloy::primitives::{Address, B256, U256, aliases::U96};
use clap::Args;
use eyre::Result;
use provery_mechanisms::{Choices, Mechanism};
use provery_types::{Deployment, Terms};

mod opening;
mod rules;
mod tuple;

pub(crate) use opening::opening_data;
pub(crate) use rules::{advice, check, mechanism_advice};
pub(crate) use tuple::{tuple, tuple_type};

use crate::{
    address,
    amount::{self, Currency, Written},
    error::{Code, fail},
};

/// The numbers of a market's terms, with defaults that keep every rule for blocks proven in seconds.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Terms")]
pub(crate) struct TermsArgs {
    /// Highest reward for one slot, in whole units of the asset
    #[arg(long, value_name = "AMOUNT", default_value = "1")]
    pub price: Written,
    /// Stake reserved from the assigned prover, slashed if another proves what it missed
    #[arg(long, value_name = "AMOUNT", default_value = "2")]
    pub bond: Written,
    /// Seconds in which the whole price is paid
    #[arg(long, value_name = "S", default_value_t = 30)]
    pub fast: u32,
    /// Seconds in which only the assigned prover may prove
    #[arg(long, value_name = "S", default_value_t = 120)]
    pub exclusive: u32,
    /// Seconds after which a slot expires; at least twice --exclusive
    #[arg(long, value_name = "S", default_value_t = 600)]
    pub expiry: u32,
    /// Share of the price paid at the end of the exclusive window and after, in bps
    #[arg(long, value_name = "BPS", default_value_t = 5000)]
    pub floor_bps: u16,
    /// Share of a slashed bond that goes to the rescuer, in bps
    #[arg(long, value_name = "BPS", default_value_t = 5000)]
    pub rescuer_bps: u16,
    /// Share of a slashed bond that goes to the market's funds, in bps; what is left is burned
    #[arg(long, value_name = "BPS", default_value_t = 2500)]
    pub requester_bps: u16,
    /// Share of the price burned when nobody proves a slot, in bps
    #[arg(long, value_name = "BPS", default_value_t = 1000)]
    pub forfeit_bps: u16,
    /// What a rescue pays out of the bond at least; more than its gas costs, or nobody rescues [default: the rescuer's whole
    /// share of the bond]
    #[arg(long, value_name = "AMOUNT")]
    pub least_rescue: Option<Written>,
}

/// How a market's slots continue one another: `continues=0,claim=1,right=0`, or `claim=0,output` for a claim that is an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChainSpec(u32);

impl ChainSpec {
    const DECLARED: u32 = 1 << 24;
    const OUTPUT: u32 = 1 << 25;
    const ALWAYS_RIGHT: u32 = 255;

    /// The terms' word.
    pub(crate) fn word(self) -> u32 {
        self.0
    }

    /// In words, for people; `word` is a terms' `chain`.
    pub(crate) fn told(word: u32) -> String {
        if word == 0 {
            return "none: every slot stands alone".to_string();
        }
        let (continues, claim, right) = (word & 255, word >> 8 & 255, word >> 16 & 255);
        let of = if word & Self::OUTPUT == 0 { "input" } else { "output" };
        let right = match right {
            Self::ALWAYS_RIGHT => "a proof alone says that the claim is right".to_string(),
            right => format!("output {right} is 1 if the claim is right"),
        };
        format!(
            "input {continues} continues what the slot before claims, {of} {claim} is what it claims; {right}"
        )
    }
}

impl FromStr for ChainSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut fields = [None; 3];
        let mut output = false;
        for part in text.split(',') {
            let (name, value) = match part.trim() {
                "output" => {
                    output = true;
                    continue;
                }
                part => part.split_once('=').unwrap_or((part, "")),
            };
            let at = ["continues", "claim", "right"].iter().position(|known| *known == name);
            let number = match (name, value) {
                ("right", "always") => Some(Self::ALWAYS_RIGHT),
                _ => value.parse::<u32>().ok().filter(|number| *number < 255),
            };
            match (at, number) {
                (Some(at), Some(number)) if fields[at].is_none() => fields[at] = Some(number),
                _ => {
                    return Err(format!(
                        "`{part}` is not one of continues=N, claim=N, right=N, right=always, output"
                    ));
                }
            }
        }
        let [continues, Some(claim), right] = fields else {
            return Err("it must say which input or output is the claim, such as claim=1".to_string());
        };
        let output = if output { Self::OUTPUT } else { 0 };
        let right = right.unwrap_or(Self::ALWAYS_RIGHT);
        Ok(Self(continues.unwrap_or(0) | claim << 8 | right << 16 | Self::DECLARED | output))
    }
}

/// Refuse a window that the deployment's registry does not allow, naming its limit.
fn check_window(expiry: u32, most: u64) -> Result<()> {
    if u64::from(expiry) > most {
        return Err(fail(
            Code::TermsRejected,
            format!(
                "the expiry window of {expiry} s is above this deployment's limit of {most} s, by which every bond has \
                 ended; choose --expiry {most} or less, or deploy with a larger --max-window"
            ),
        ));
    }
    Ok(())
}

/// What a flag gives, as terms hold it.
pub(crate) fn u96(flag: &str, written: &Written, asset: &Currency) -> Result<U96> {
    let amount = amount::given(flag, written, asset)?;
    amount.to_u96().map_err(|error| fail(Code::Usage, format!("{flag}: {error}")))
}

/// The rescuer's share of a bond.
pub(crate) fn rescuers_share(bond: U96, bps: u16) -> U96 {
    let share = bond.to::<U256>() * U256::from(bps) / U256::from(10_000);
    U96::checked_from_limbs_slice(share.as_limbs()).unwrap_or(bond)
}

/// Who decides about a market's slots, and how.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Mechanism")]
pub(crate) struct MechanismArgs {
    #[arg(long, value_name = "NAME", default_value = provery_mechanisms::default_word(), help = mechanism_help())]
    pub mechanism: String,
    #[arg(long = "mechanism-option", value_name = "NAME=VALUE", help = options_help())]
    pub options: Vec<String>,
}

/// Help of `--mechanism`, by the list of mechanisms.
pub(crate) fn mechanism_help() -> String {
    format!(
        "The rule that decides who may prove: {}, or a contract's address",
        provery_mechanisms::words(|_| true)
    )
}

fn options_help() -> String {
    let known = provery_mechanisms::registry().iter().filter(|mechanism| !mechanism.options().is_empty());
    let choices = known.map(|mechanism| {
        let names: Vec<&str> = mechanism.options().iter().map(|option| option.name).collect();
        format!("{}: {}", mechanism.word(), names.join(", "))
    });
    format!(
        "A choice about the mechanism, as NAME=VALUE ({}); may be given more than once",
        choices.collect::<Vec<_>>().join("; ")
    )
}

impl MechanismArgs {
    /// The mechanism's contract in a deployment, and the terms' `mechanismParams`.
    pub(crate) fn resolve(&self, deployment: &Deployment, asset: &Currency) -> Result<(Address, B256)> {
        if self.mechanism.starts_with("0x") {
            let address = address::parse(&self.mechanism)
                .map_err(|error| fail(Code::Usage, format!("--mechanism: {error}")))?;
            return match self.options.first() {
                None => Ok((address, B256::ZERO)),
                Some(option) => Err(fail(
                    Code::Usage,
                    format!(
                        "--mechanism-option {option}: what a contract given by its address can be told is not                          known; write the terms' mechanism_params into a file and pass --terms"
                    ),
                )),
            };
        }
        let (mechanism, address) = mechanism(deployment, &self.mechanism)?;
        let params = Choices::parse(mechanism.options(), &self.options, asset)
            .and_then(|choices| mechanism.params(&choices))
            .map_err(|error| fail(Code::Usage, format!("--mechanism-option: {error}")))?;
        Ok((address, params))
    }
}

/// A mechanism by the word people call it, and its contract in a deployment.
pub(crate) fn mechanism(deployment: &Deployment, word: &str) -> Result<(&'static dyn Mechanism, Address)> {
    let known = provery_mechanisms::registry();
    let mechanism = provery_mechanisms::by_word(word).ok_or_else(|| {
        let words: Vec<&str> = known.iter().map(|mechanism| mechanism.word()).collect();
        fail(Code::Usage, format!("there is no mechanism named {word}; choose one of {}", words.join(", ")))
    })?;
    let address = deployment.address(mechanism.name());
    if address.is_zero() {
        return Err(fail(
            Code::DeploymentInvalid,
            format!(
                "the deployment has no {}, so no market of it can use {word}; choose another mechanism, or                  deploy anew",
                mechanism.name()
            ),
        ));
    }
    Ok((mechanism, address))
}

/// The mechanism whose contract in a deployment is this one.
pub(crate) fn mechanism_at(deployment: &Deployment, address: Address) -> Option<&'static dyn Mechanism> {
    let mut known = provery_mechanisms::registry().iter().copied();
    known.find(|known| !address.is_zero() && deployment.address(known.name()) == address)
}

/// Who and what the terms are between.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parties {
    pub requester: Address,
    pub mechanism: Address,
    pub mechanism_params: B256,
    pub circuit: B256,
    pub verifier: Address,
    /// See `Terms.circuitTerms`.
    pub circuit_terms: U256,
}

impl TermsArgs {
    pub(crate) fn to_terms(
        &self,
        parties: Parties,
        outputs: u8,
        callback_gas: u32,
        asset: &Currency,
    ) -> Result<Terms> {
        let u96 = |flag: &str, written: &Written| u96(flag, written, asset);
        let bond = u96("--bond", &self.bond)?;
        let least_rescue = match &self.least_rescue {
            Some(least) => u96("--least-rescue", least)?,
            None => rescuers_share(bond, self.rescuer_bps),
        };
        Ok(Terms {
            requester: parties.requester,
            mechanism: parties.mechanism,
            mechanismParams: parties.mechanism_params,
            circuit: parties.circuit,
            verifier: parties.verifier,
            price: u96("--price", &self.price)?,
            bond,
            fastWindow: self.fast,
            exclusiveWindow: self.exclusive,
            expiryWindow: self.expiry,
            floorBps: self.floor_bps,
            rescuerBps: self.rescuer_bps,
            requesterBps: self.requester_bps,
            forfeitBps: self.forfeit_bps,
            outputs,
            callbackGas: callback_gas,
            version: 1,
            leastRescue: least_rescue,
            chain: 0,
            circuitTerms: parties.circuit_terms,
        })
    }
}

/// Terms from a file: what `market show --json` prints under `terms`.
pub(crate) fn read(path: &Path) -> Result<Terms> {
    let text = fs::read_to_string(path)
        .map_err(|error| fail(Code::Io, format!("the terms {} cannot be read: {error}", path.display())))?;
    serde_json::from_str(&text).map_err(|error| {
        fail(
            Code::TermsRejected,
            format!(
                "{} is not valid terms ({error}); `provery market show --json` prints an example",
                path.display()
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        terms: TermsArgs,
    }

    fn asset() -> Currency {
        Currency::asset("USDC", 6).expect("a usual one")
    }

    fn parties() -> Parties {
        Parties {
            requester: Address::repeat_byte(1),
            mechanism: Address::repeat_byte(2),
            mechanism_params: B256::ZERO,
            circuit: B256::repeat_byte(3),
            verifier: Address::repeat_byte(4),
            circuit_terms: U256::ZERO,
        }
    }

    /// The contract's rules (TermsRules), so that nobody's first market is rejected.
    #[test]
    fn the_defaults_keep_every_rule() {
        let terms = Line::parse_from(["x"]).terms.to_terms(parties(), 1, 0, &asset()).expect("are terms");
        let (price, bond) = (terms.price.to::<u128>(), terms.bond.to::<u128>());
        let floor = (price * u128::from(terms.floorBps)).div_ceil(10_000);
        assert!(terms.fastWindow <= terms.exclusiveWindow && 2 * terms.exclusiveWindow <= terms.expiryWindow);
        assert!(terms.rescuerBps + terms.requesterBps <= 9_500);
        assert!(
            floor + bond * u128::from(terms.rescuerBps) / 10_000 > price,
            "a rescue pays more than the fee"
        );
        assert!((100..=10_000).contains(&terms.forfeitBps));
    }

    #[test]
    fn the_defaults_are_whole_units_whatever_the_decimals() {
        for decimals in [6, 18] {
            let asset = Currency::asset("X", decimals).expect("a usual one");
            let terms = Line::parse_from(["x"]).terms.to_terms(parties(), 1, 0, &asset).expect("are terms");
            assert_eq!(
                (asset.show(terms.price.to()), asset.show(terms.bond.to())),
                ("1 X".into(), "2 X".into())
            );
        }
        let refused = Line::parse_from(["x", "--price", "1ether"]).terms.to_terms(parties(), 1, 0, &asset());
        assert!(refused.expect_err("no ether").to_string().starts_with("--price: `1ether`"));
    }

    #[test]
    fn json_and_back() {
        let terms =
            Line::parse_from(["x"]).terms.to_terms(parties(), 1, 50_000, &asset()).expect("are terms");
        let text = serde_json::to_string(&terms).expect("serialises");
        let folder = tempfile::tempdir().expect("makes a folder");
        let path = folder.path().join("terms.json");
        fs::write(&path, &text).expect("writes");
        assert_eq!(read(&path).expect("reads"), terms);

        fs::write(&path, text.replacen("price", "prise", 1)).expect("writes");
        assert!(read(&path).is_err());
    }

    #[test]
    fn a_price_beyond_96_bits_is_refused() {
        let line = Line::parse_from(["x", "--price", "79228162514264337593543950336base"]);
        assert!(line.terms.to_terms(parties(), 1, 0, &asset()).is_err());
    }

    #[test]
    fn a_rescue_pays_the_whole_share_unless_told_otherwise() {
        let of = |flags: &str| {
            let line = Line::parse_from(["x"].into_iter().chain(flags.split_whitespace()));
            line.terms.to_terms(parties(), 1, 0, &asset()).expect("fits").leastRescue
        };
        assert_eq!(of("--bond 1001base --rescuer-bps 5000"), U96::from(500));
        assert_eq!(of("--bond 1001base --least-rescue 7base"), U96::from(7));
        assert_eq!(of("--bond 0"), U96::ZERO);
    }

    #[test]
    fn a_chain_is_one_word() {
        let word = |text: &str| text.parse::<ChainSpec>().map(ChainSpec::word);
        assert_eq!(word("continues=0,claim=1,right=0"), Ok(1 << 24 | 1 << 8));
        assert_eq!(word("claim=1"), Ok(1 << 24 | 255 << 16 | 1 << 8));
        assert_eq!(word("continues=2, claim=3, right=always, output"), Ok(3 << 24 | 255 << 16 | 3 << 8 | 2));
        for bad in
            ["", "continues=0", "claim=255", "claim=1,claim=2", "claims=1", "claim", "right=0", "claim=-1"]
        {
            assert!(word(bad).is_err(), "{bad}");
        }
        assert!(ChainSpec::told(0).contains("alone"));
        assert!(ChainSpec::told(3 << 24 | 255 << 16 | 3 << 8).contains("output 3"));
    }
}
