//! Which slot a command is about.

use clap::Args;

use crate::market_ref::{MarketRef, SlotId};

#[derive(Debug, Clone, Args)]
pub(crate) struct SlotArg {
    /// The market: its id, or its rollup's name [default: the market of the deployment's only rollup]
    #[arg(long, value_name = "MARKET")]
    pub market: Option<MarketRef>,
    #[command(flatten)]
    pub slot: SlotId,
}
