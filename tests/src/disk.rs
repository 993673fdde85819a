//! A small disk of one's own: an ext4 file system in an image file, mounted, whose raw bytes can be looked at.
//!
//! Data goes through the journal too, so whatever was written and deleted again is still somewhere in the image.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted image; unmounted when dropped.
#[derive(Debug)]
pub struct Disk {
    image: PathBuf,
    mounted: PathBuf,
    _owned: tempfile::TempDir,
}

impl Disk {
    /// Makes and mounts an empty one of `mib` mebibytes.
    ///
    /// # Panics
    /// When that fails: it needs root, or a user who may become root by sudo.
    #[must_use]
    pub fn mount(mib: u64) -> Self {
        let owned = tempfile::tempdir().expect("a folder for an image");
        let (image, mounted) = (owned.path().join("image"), owned.path().join("mounted"));
        File::create(&image).and_then(|file| file.set_len(mib << 20)).expect("an image file");
        std::fs::create_dir(&mounted).expect("a mount point");
        let who = |flag: &str| {
            let out = Command::new("id").arg(flag).output().expect("id runs");
            String::from_utf8(out.stdout).expect("id prints digits").trim().to_owned()
        };
        // No blocks set aside for root: full is full for everybody.
        let owner = format!("root_owner={}:{}", who("-u"), who("-g"));
        let options = ["-q", "-m", "0", "-E", &format!("{owner},lazy_itable_init=0,lazy_journal_init=0")];
        as_root(Command::new("mkfs.ext4").args(options).arg(&image));
        as_root(Command::new("mount").args(["-o", "loop,data=journal"]).arg(&image).arg(&mounted));
        Self { image, mounted, _owned: owned }
    }

    /// Where its files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.mounted
    }

    /// Everything that lies on the disk at this moment, free blocks and journal included. Blocks of zeros are left out.
    ///
    /// # Panics
    /// When the image cannot be read.
    #[must_use]
    pub fn raw(&self) -> Vec<u8> {
        let synced = Command::new("sync").arg("-f").arg(&self.mounted).status().expect("sync runs");
        assert!(synced.success(), "the disk cannot be synced");
        let mut file = File::open(&self.image).expect("the image");
        let (mut raw, mut block) = (Vec::new(), vec![0; 1 << 16]);
        loop {
            let read = file.read(&mut block).expect("the image can be read");
            if read == 0 {
                return raw;
            }
            if block[..read].iter().any(|byte| *byte != 0) {
                raw.extend_from_slice(&block[..read]);
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a process that a failed test left behind must not keep the mount.
        as_root(Command::new("umount").arg("-l").arg(&self.mounted));
    }
}

/// Runs a command as root, by sudo where that is not who we are.
fn as_root(command: &Command) {
    let root = Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout.starts_with(b"0\n"));
    let mut whole = Command::new(if root { "env" } else { "sudo" });
    if !root {
        whole.args(["-n", "env"]);
    }
    // Tools for disks lie where users do not look.
    let path = format!("PATH={}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    whole.arg(path).arg(command.get_program()).args(command.get_args());
    let out = whole.output().expect("a command as root");
    assert!(out.status.success(), "{whole:?}: {}", String::from_utf8_lossy(&out.stderr));
}
