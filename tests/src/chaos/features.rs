//! What the program under test can do. A run uses what is there, so that an older build can be tried as well.

use eyre::Result;

use super::stage::Cli;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Features {
    /// `provery worker` proves in processes of its own.
    pub worker: bool,
    /// `provery node status` tells what is in the books.
    pub status: bool,
    /// `--rpc-url` may be given more than once.
    pub many_urls: bool,
    /// The node serves HTTP.
    pub http: bool,
    /// The time for finishing can be bounded.
    pub drain: bool,
}

impl Features {
    pub(super) async fn of(cli: &Cli) -> Result<Self> {
        let help = |args: &'static [&'static str]| async move {
            let mut command = tokio::process::Command::new(&cli.program);
            cli.equip(&mut command, None);
            let output = command.args(args).output().await?;
            Ok::<_, eyre::Report>(String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let (all, node) = (help(&["--help"]).await?, help(&["node", "--help"]).await?);
        let lists = |text: &str, word: &str| text.lines().any(|line| line.trim_start().starts_with(word));
        Ok(Self {
            worker: lists(&all, "worker"),
            status: lists(&node, "status"),
            // Its help says so.
            many_urls: node.contains("PROVERY_RPC_URL") && {
                let at = node.find("--rpc-url").unwrap_or(0);
                node[at..]
                    .lines()
                    .take(3)
                    .any(|line| line.contains("more than once") || line.contains("comma"))
            },
            http: node.contains("--http"),
            drain: node.contains("--drain"),
        })
    }
}
