//! The metrics. What happens is counted as it happens; what is so is read off the last [`Status`] when it is asked for, so
//! that all gauges are of one moment and an endpoint that is gone leaves no series behind. docs/reference/metrics.md lists them.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _, text::encode},
    metrics::{
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::ConstGauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::Registry,
};

use super::{
    process,
    shared::{ALIVE_WITHIN, Alive, Published, lock, unready},
    status::{EndpointStatus, Status},
};
use crate::concern::Concern;

type Label = [(&'static str, &'static str); 1];

/// Outcomes that are there from the start, so that a rate over them is known to be nought.
const OUTCOMES: [&str; 7] = ["proven", "rescued", "lost", "missed", "expired", "cancelled", "dropped"];
const ROLES: [&str; 3] = ["alone", "leader", "standby"];

pub(super) struct Metrics {
    registry: Registry,
    ended: Family<Label, Counter>,
    phases: Family<Label, Histogram, fn() -> Histogram>,
    failures: Family<Label, Counter>,
    losses: Family<Label, Counter>,
    reorgs: Counter,
    depths: Histogram,
}

/// From 5 ms to about 11 minutes.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.005, 2.0, 18))
}

impl Metrics {
    pub(super) fn new(status: Published, alive: Arc<Alive>) -> Self {
        let mut registry = Registry::default();
        let ended = Family::<Label, Counter>::default();
        let phases = Family::<Label, Histogram, fn() -> Histogram>::new_with_constructor(seconds);
        let failures = Family::<Label, Counter>::default();
        let losses = Family::<Label, Counter>::default();
        let reorgs = Counter::default();
        let depths = Histogram::new([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]);
        for outcome in OUTCOMES {
            let _ = ended.get_or_create(&[("outcome", outcome)]);
        }
        registry.register(
            "provery_build",
            "The program",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register("provery_slots_ended", "Slots that ended, by how", ended.clone());
        registry.register("provery_phase_seconds", "How long each phase took", phases.clone());
        registry.register("provery_failures", "What failed", failures.clone());
        registry.register("provery_losses", "Races lost, which is no failure", losses.clone());
        registry.register("provery_reorgs", "Reorgs followed", reorgs.clone());
        registry.register("provery_reorg_depth_blocks", "Blocks that a reorg took back", depths.clone());
        registry.register_collector(Box::new(Snapshot { status, alive }));
        Self { registry, ended, phases, failures, losses, reorgs, depths }
    }

    pub(super) fn slot_ended(&self, how: &'static str) {
        self.ended.get_or_create(&[("outcome", how)]).inc();
    }

    pub(super) fn phase(&self, phase: &'static str, took: Duration) {
        self.phases.get_or_create(&[("phase", phase)]).observe(took.as_secs_f64());
    }

    pub(super) fn failure(&self, code: &'static str) {
        self.failures.get_or_create(&[("code", code)]).inc();
    }

    pub(super) fn loss(&self, code: &'static str) {
        self.losses.get_or_create(&[("code", code)]).inc();
    }

    pub(super) fn reorg(&self, depth: u64) {
        self.reorgs.inc();
        self.depths.observe(number(depth));
    }

    pub(super) fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// Gauges of the status that was published last.
struct Snapshot {
    status: Published,
    alive: Arc<Alive>,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").finish_non_exhaustive()
    }
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut out = Out(encoder);
        out.gauge(
            "tick_age_seconds",
            "Since the service loop was last seen alive",
            self.alive.age().as_secs_f64(),
        )?;
        if let Some(bytes) = process::resident_bytes() {
            out.gauge("process_resident_bytes", "Resident memory", number(bytes))?;
        }
        if let Some(fds) = process::open_fds() {
            out.gauge("process_open_fds", "Open descriptors", number(fds))?;
        }
        let status = lock(&self.status).clone();
        let ready = unready(status.as_deref(), self.alive.age() < ALIVE_WITHIN).is_empty();
        out.gauge("ready", "Whether the node can be relied on", flag(ready))?;
        let Some(status) = status else { return Ok(()) };
        out.node(&status)?;
        out.chain(&status)?;
        out.endpoints(&status.chain.endpoints)?;
        out.work(&status)?;
        out.money(&status)
    }
}

struct Out<'a>(DescriptorEncoder<'a>);

impl Out<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let name = prefixed(name);
        let gauge = ConstGauge::new(value);
        let metric = self.0.encode_descriptor(&name, help, None, gauge.metric_type())?;
        gauge.encode(metric)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let name = prefixed(name);
        let counter = ConstCounter::new(value);
        let metric = self.0.encode_descriptor(&name, help, None, counter.metric_type())?;
        counter.encode(metric)
    }

    fn gauges<'s>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        rows: impl Iterator<Item = (&'s str, f64)>,
    ) -> fmt::Result {
        let name = prefixed(name);
        let kind = ConstGauge::new(0.0).metric_type();
        let mut metric = self.0.encode_descriptor(&name, help, None, kind)?;
        for (value, number) in rows {
            let labels = [(label, value)];
            ConstGauge::new(number).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn counters<'s>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        rows: impl Iterator<Item = (&'s str, u64)>,
    ) -> fmt::Result {
        let name = prefixed(name);
        let kind = ConstCounter::new(0u64).metric_type();
        let mut metric = self.0.encode_descriptor(&name, help, None, kind)?;
        for (value, number) in rows {
            let labels = [(label, value)];
            ConstCounter::new(number).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn node(&mut self, status: &Status) -> fmt::Result {
        let node = &status.node;
        self.gauge("start_time_seconds", "Unix time of the start", number(node.started_at))?;
        let roles = ROLES.iter().map(|role| (*role, flag(*role == node.role)));
        self.gauges("role", "1 for the role the node has", "role", roles)?;
        self.gauge("draining", "It was told to stop", flag(node.draining))?;
        self.gauge("taking", "It takes new slots on", flag(node.taking))?;
        self.gauge("paused", "The prover is paused on-chain", flag(node.paused_on_chain))?;
        let alarms = status.concerns.iter().filter(|concern| concern.alarm).count();
        self.gauge("alarms", "What loses stake if nothing is done about it", number(alarms as u64))?;
        let concerns = Concern::ALL.iter().map(|code| {
            let count = status.concerns.iter().filter(|concern| concern.code == *code).count();
            (*code, number(count as u64))
        });
        self.gauges("concerns", "What only the operator can mend", "code", concerns)?;
        self.gauge("earns_nothing", "Nothing at all will be earned as things are", flag(node.earns_nothing))?;
        self.gauge("breaker_open", "The circuit breaker is open", flag(node.breaker.open))?;
        self.gauge("breaker_failures", "Failures in a row", f64::from(node.breaker.failures))
    }

    fn chain(&mut self, status: &Status) -> fmt::Result {
        let chain = &status.chain;
        if let Some(head) = chain.head {
            self.gauge("chain_head_block", "The chain's newest block", number(head))?;
        }
        if let Some(position) = chain.position {
            self.gauge("chain_position_block", "The last block that is stored", number(position))?;
        }
        self.gauge("chain_lag_blocks", "Blocks that are not stored yet", number(chain.lag_blocks))?;
        self.gauge("chain_head_age_seconds", "Since the newest block's time", number(chain.head_age_secs))?;
        self.gauge("reorg_deepest_blocks", "Blocks the deepest reorg took back", number(chain.deepest_reorg))
    }

    fn endpoints(&mut self, endpoints: &[EndpointStatus]) -> fmt::Result {
        let names = distinct(endpoints);
        let rows = || names.iter().map(String::as_str).zip(endpoints);
        let label = "endpoint";
        self.gauges("rpc_up", "It answers", label, rows().map(|(name, it)| (name, flag(it.up))))?;
        let heads = rows().filter_map(|(name, it)| Some((name, number(it.head?))));
        self.gauges("rpc_head_block", "Its newest block", label, heads)?;
        let lags = rows().map(|(name, it)| (name, number(it.lag_blocks)));
        self.gauges("rpc_lag_blocks", "Blocks behind the best", label, lags)?;
        let requests = rows().map(|(name, it)| (name, it.requests));
        self.counters("rpc_requests", "Requests to it", label, requests)?;
        let failures = rows().map(|(name, it)| (name, it.total_failures));
        self.counters("rpc_failures", "Requests it failed", label, failures)
    }

    fn work(&mut self, status: &Status) -> fmt::Result {
        let stages = status.slots.iter().map(|(stage, count)| (stage.as_str(), number(*count)));
        self.gauges("slots", "Slots in each stage", "stage", stages)?;
        let outbox = &status.outbox;
        self.gauge("outbox_pending", "Transactions signed and not mined", number(outbox.pending))?;
        let waited = match (status.chain.head, outbox.unmined_since_block) {
            (Some(head), Some(since)) => head.saturating_sub(since),
            _ => 0,
        };
        self.gauge("outbox_unmined_blocks", "Blocks the oldest of them has waited", number(waited))?;
        self.counter("outbox_replaced", "Transactions replaced with higher fees", outbox.replaced)?;
        self.counter("outbox_rebroadcast", "Transactions sent again", outbox.rebroadcast)?;
        let parts = || outbox.spent.parts().into_iter();
        let counts = parts().map(|(how, spent)| (how, number(spent.transactions)));
        self.gauges("outbox_mined", "Transactions mined, by how they ended", "outcome", counts)?;
        let gas = parts().map(|(how, spent)| (how, number(spent.gas)));
        self.gauges("gas_used", "Gas that they used", "outcome", gas)?;
        let wei = parts().map(|(how, spent)| (how, amount(&spent.wei.to_string())));
        self.gauges("gas_spent_wei", "What that and a rollup's own fees cost", "outcome", wei)?;
        let workers = &status.workers;
        self.gauge("workers", "Proofs at a time", number(workers.most))?;
        self.gauge("proofs_running", "Proofs being made", number(workers.running))?;
        self.gauge("proofs_queued", "Slots that wait for a worker", number(workers.queue))
    }

    fn money(&mut self, status: &Status) -> fmt::Result {
        if let Some(stake) = &status.stake {
            self.gauge("stake_free_wei", "Stake that no bond reserves", amount(&stake.free))?;
            self.gauge("stake_bonded_wei", "Stake that bonds reserve", amount(&stake.bonded))?;
            self.gauge("credit_wei", "Earned and not withdrawn", amount(&stake.credit))?;
        }
        if let Some(balance) = &status.balance {
            self.gauge("balance_wei", "What the key can pay for gas", amount(&balance.wei))?;
            self.gauge("balance_low", "It is too little", flag(balance.low))?;
            self.gauge("balance_proofs", "Proofs it pays for", number(balance.proofs_left))?;
        }
        Ok(())
    }
}

fn prefixed(name: &str) -> String {
    format!("provery_{name}")
}

fn flag(set: bool) -> f64 {
    f64::from(u8::from(set))
}

/// Metrics are floats; nothing is computed from these.
fn number(value: u64) -> f64 {
    value as f64
}

fn amount(wei: &str) -> f64 {
    wei.parse().unwrap_or(f64::NAN)
}

/// Two URLs may differ only in what is not shown, and two series may not have one name.
fn distinct(endpoints: &[EndpointStatus]) -> Vec<String> {
    let mut seen: HashMap<&str, u32> = HashMap::new();
    let mut names = Vec::with_capacity(endpoints.len());
    for endpoint in endpoints {
        let count = seen.entry(&endpoint.name).or_default();
        *count += 1;
        names.push(match *count {
            1 => endpoint.name.clone(),
            nth => format!("{}#{nth}", endpoint.name),
        });
    }
    names
}

#[cfg(test)]
mod tests {
    use alloy::primitives::U256;
    use provery_txmgr::Spent;

    use super::{
        super::{BalanceStatus, ConcernStatus, Monitor, StakeStatus, status::tests::well},
        *,
    };

    fn lines(monitor: &Monitor) -> Vec<String> {
        monitor.metrics().lines().map(str::to_owned).collect()
    }

    #[test]
    fn counters_and_gauges_are_written_as_openmetrics() {
        let monitor = Monitor::new();
        monitor.slot_ended("proven");
        monitor.slot_ended("proven");
        monitor.phase("send", Duration::from_millis(7));
        monitor.failure("proof_failed");
        monitor.loss("raced");
        monitor.reorg(3);
        monitor.tick();
        let mut status = well();
        status.stake =
            Some(StakeStatus { free: "1".to_owned(), bonded: "2".to_owned(), credit: "3".to_owned() });
        status.balance =
            Some(BalanceStatus { wei: "1000000000000000000".to_owned(), low: true, proofs_left: 4 });
        status.chain.head = Some(10);
        status.outbox.unmined_since_block = Some(8);
        status.outbox.replaced = 5;
        status.node.earns_nothing = true;
        let late = ConcernStatus { code: "held_late".to_owned(), alarm: true, ..Default::default() };
        status.concerns = vec![late.clone(), late];
        status.outbox.spent.reverted = Spent { transactions: 2, gas: 60_000, wei: U256::from(1_000) };
        monitor.publish(status);
        let lines = lines(&monitor);
        for line in [
            "provery_slots_ended_total{outcome=\"proven\"} 2",
            "provery_slots_ended_total{outcome=\"missed\"} 0",
            "provery_phase_seconds_count{phase=\"send\"} 1",
            "provery_failures_total{code=\"proof_failed\"} 1",
            "provery_losses_total{code=\"raced\"} 1",
            "provery_reorgs_total 1",
            "provery_reorg_depth_blocks_bucket{le=\"4.0\"} 1",
            "provery_ready 0.0",
            "provery_alarms 2.0",
            "provery_concerns{code=\"held_late\"} 2.0",
            "provery_concerns{code=\"blind\"} 0.0",
            "provery_earns_nothing 1.0",
            "provery_role{role=\"alone\"} 1.0",
            "provery_role{role=\"standby\"} 0.0",
            "provery_slots{stage=\"proving\"} 0.0",
            "provery_rpc_up{endpoint=\"http://a:1\"} 1.0",
            "provery_rpc_requests_total{endpoint=\"http://a:1\"} 0",
            "provery_outbox_replaced_total 5",
            "provery_outbox_mined{outcome=\"reverted\"} 2.0",
            "provery_gas_used{outcome=\"reverted\"} 60000.0",
            "provery_gas_spent_wei{outcome=\"reverted\"} 1000.0",
            "provery_gas_spent_wei{outcome=\"cancelled\"} 0.0",
            "provery_outbox_unmined_blocks 2.0",
            "provery_balance_wei 1000000000000000000.0",
            "provery_balance_low 1.0",
            "# EOF",
        ] {
            assert!(lines.iter().any(|it| it == line), "no {line} in {lines:#?}");
        }
        assert!(lines.iter().any(|line| line.starts_with("provery_build_info{version=")));
    }

    #[test]
    fn every_metric_is_in_the_modules_table() {
        let monitor = Monitor::new();
        monitor.tick();
        let mut status = well();
        status.stake = Some(StakeStatus::default());
        status.balance = Some(BalanceStatus::default());
        monitor.publish(status);
        let table = include_str!("../../../../docs/reference/metrics.md");
        let text = monitor.metrics();
        let named = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let mut count = 0;
        for line in named {
            let (name, kind) = line.split_once(' ').expect("a name and a type");
            let suffix = if kind == "counter" {
                "_total"
            } else if kind == "info" {
                "_info"
            } else {
                ""
            };
            assert!(table.contains(&format!("`{name}{suffix}`")), "{name}{suffix} is not in the table");
            count += 1;
        }
        assert!(count > 30, "{count}");
    }

    #[test]
    fn endpoints_that_look_the_same_are_told_apart() {
        let monitor = Monitor::new();
        let mut status = well();
        let twin = status.chain.endpoints[0].clone();
        status.chain.endpoints.push(twin);
        monitor.publish(status);
        let up: Vec<String> =
            lines(&monitor).into_iter().filter(|line| line.starts_with("provery_rpc_up{")).collect();
        assert_eq!(
            up,
            ["provery_rpc_up{endpoint=\"http://a:1\"} 1.0", "provery_rpc_up{endpoint=\"http://a:1#2\"} 1.0"]
        );
    }
}
