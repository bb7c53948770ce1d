//! `node.http` in the data directory: where the status page of the node that runs there is. Its first line is the address,
//! its second the process's id. A node that was killed leaves it behind, so it is only a hint: whoever reads it asks there,
//! and believes an answer from that very process.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

const FILE: &str = "node.http";

/// Removes the file when dropped.
#[derive(Debug)]
pub struct AddressFile(PathBuf);

impl AddressFile {
    /// Write the file, whole or not at all.
    pub fn write(data_dir: &Path, address: SocketAddr) -> io::Result<Self> {
        let (path, partial) = (data_dir.join(FILE), data_dir.join("node.http.partial"));
        fs::write(&partial, format!("{address}\n{}\n", std::process::id()))?;
        fs::rename(&partial, &path)?;
        Ok(Self(path))
    }

    /// Remove what a node that was killed left behind. Only for who holds the directory's lock.
    pub fn clear(data_dir: &Path) {
        let _ = fs::remove_file(data_dir.join(FILE));
    }
}

impl Drop for AddressFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The address at which to ask, and the process that should answer; nothing if there is no such file.
pub fn read_address_file(data_dir: &Path) -> Option<(SocketAddr, u32)> {
    let text = fs::read_to_string(data_dir.join(FILE)).ok()?;
    let mut lines = text.lines();
    let mut address: SocketAddr = lines.next()?.trim().parse().ok()?;
    let pid = lines.next()?.trim().parse().ok()?;
    // What listens everywhere is asked here.
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    Some((address, pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_there_while_the_node_is() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        assert_eq!(read_address_file(dir.path()), None);
        let file = AddressFile::write(dir.path(), ([0, 0, 0, 0], 9).into()).expect("writes");
        assert_eq!(read_address_file(dir.path()), Some((([127, 0, 0, 1], 9).into(), std::process::id())));
        drop(file);
        assert_eq!(read_address_file(dir.path()), None);
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 0);
        fs::write(dir.path().join(FILE), "nonsense").expect("writes");
        assert_eq!(read_address_file(dir.path()), None);
    }
}
