//! Moves content between the checkout and our own repositories. In the checkout the agent may have
//! put anything in the place of an object, so it is read as a plain file only, and counts only if
//! its SHA-256 is right.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

use super::{
    filter::hex,
    pointer::{MAX_POINTER, Pointer},
};
use crate::redact::Redactor;

/// How much is read at a time.
const PIECE: usize = 1 << 20;

/// How much of a piece is looked at again with the next one, so that no credential lies between.
const OVERLAP: usize = 4 << 10;

/// What the objects of these folders' disks may take, bytes: there are up to three copies of each.
pub(in crate::git) fn room(folders: &[&Path]) -> u64 {
    let free = folders.iter().filter_map(|folder| rustix::fs::statvfs(*folder).ok());
    free.map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) / 3).min().unwrap_or(u64::MAX)
}

/// Whether a store has an object, by its name and size.
pub(super) fn has(store: &Path, pointer: &Pointer) -> bool {
    let found = fs::symlink_metadata(store.join(pointer.place()));
    found.is_ok_and(|file| file.is_file() && file.len() == pointer.size)
}

/// Moves an object from a store of ours to another one.
pub(super) fn take(from: &Path, to: &Path, pointer: &Pointer) {
    let (from, to) = (from.join(pointer.place()), to.join(pointer.place()));
    let moved = to.parent().map(fs::create_dir_all).transpose().and_then(|_| {
        // Another disk wants a copy, which may not fit.
        let copy = || fs::copy(&from, &to).map(drop).or_else(|_| fs::remove_file(&to));
        fs::rename(&from, &to).or_else(|_| copy())
    });
    // What did not arrive is missed by the caller.
    let _ = moved;
}

/// Puts content in the place of a file that is its pointer. Whether it did.
pub(super) async fn put(store: &Path, pointer: &Pointer, path: &Path) -> bool {
    try_put(store, pointer, path).await.unwrap_or(false)
}

async fn try_put(store: &Path, pointer: &Pointer, path: &Path) -> io::Result<bool> {
    let mut text = Vec::new();
    let file = open(path)?;
    let permissions = file.metadata()?.permissions();
    file.take(MAX_POINTER as u64).read_to_end(&mut text)?;
    let folder = path.parent().ok_or(io::ErrorKind::NotFound)?;
    if text != pointer.to_string().as_bytes() {
        return Ok(false);
    }
    let mut new = tempfile::Builder::new().prefix(".ralph-lfs-").tempfile_in(folder)?;
    let object = open(&store.join(pointer.place()))?;
    if copy(object, new.as_file_mut(), pointer, None).await?.is_none() {
        return Ok(false);
    }
    new.as_file().set_permissions(fs::Permissions::from_mode(permissions.mode()))?;
    new.persist(path)?;
    Ok(true)
}

/// Copies an object to `target`, from the checkout's store or from the file that it belongs to,
/// and keeps it in the store. `None` when it is in neither place, else whether it holds a
/// credential. It is an error when there is one and it cannot be copied.
pub(super) async fn collect(
    store: &Path,
    file: &Path,
    target: &Path,
    pointer: &Pointer,
    redactor: &Redactor,
) -> io::Result<Option<bool>> {
    let place = pointer.place();
    let (kept, target) = (store.join(&place), target.join(&place));
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder)?;
    }
    for path in [kept.as_path(), file] {
        let Ok(source) = open(path) else { continue };
        let mut new = File::create(&target)?;
        let copied = copy(source, &mut new, pointer, Some(redactor)).await;
        if let Ok(Some(credential)) = copied {
            if path == file {
                // The file may change before a push succeeds.
                let _ = keep(&target, &kept);
            }
            return Ok(Some(credential));
        }
        fs::remove_file(&target)?;
        copied?;
    }
    // Something else in its place would be taken for it.
    let _ = fs::remove_file(&kept);
    Ok(None)
}

fn keep(from: &Path, to: &Path) -> io::Result<()> {
    let folder = to.parent().ok_or(io::ErrorKind::NotFound)?;
    fs::create_dir_all(folder)?;
    let mut new = tempfile::Builder::new().prefix(".ralph-lfs-").tempfile_in(folder)?;
    io::copy(&mut File::open(from)?, new.as_file_mut())?;
    new.persist(to)?;
    Ok(())
}

/// Copies what must have this pointer. `None` when it has another, else whether a credential was
/// found by the redactor.
async fn copy(
    mut from: File,
    to: &mut File,
    pointer: &Pointer,
    redactor: Option<&Redactor>,
) -> io::Result<Option<bool>> {
    if from.metadata()?.len() != pointer.size {
        return Ok(None);
    }
    let (mut hash, mut found) = (Sha256::new(), false);
    let mut buffer = vec![0; OVERLAP + PIECE];
    // Bytes at the beginning of the buffer that were looked at before.
    let mut before = 0;
    loop {
        let read = from.read(&mut buffer[before..])?;
        if read == 0 {
            break;
        }
        let end = before + read;
        let piece = &buffer[before..end];
        hash.update(piece);
        to.write_all(piece)?;
        found = found
            || redactor.is_some_and(|redactor| {
                redactor.finds_credential(&String::from_utf8_lossy(&buffer[..end]))
            });
        let keep = end.min(OVERLAP);
        buffer.copy_within(end - keep..end, 0);
        before = keep;
        // Others have their turn: this can take seconds.
        tokio::task::yield_now().await;
    }
    Ok((hex(&hash.finalize()) == pointer.oid).then_some(found))
}

/// Opens a plain file: no link, and nothing that could hang.
fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let flags = i32::try_from(flags).map_err(io::Error::other)?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(content: &[u8]) -> Pointer {
        Pointer { oid: hex(&Sha256::digest(content)), size: content.len() as u64 }
    }

    #[tokio::test]
    async fn only_content_with_the_right_sum_counts() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (store, file, target) = (at("store"), at("file"), at("target"));
        let redactor = Redactor::new(["hunter2-secret-value"]);
        let long = [vec![b'x'; PIECE - 9], b"hunter2-secret-value".to_vec(), vec![b'y'; PIECE]];
        let (good, bad) = (b"content".to_vec(), long.concat());
        for (content, expected) in [(&good, Some(false)), (&bad, Some(true))] {
            let pointer = of(content);
            let kept = store.join(pointer.place());
            fs::create_dir_all(kept.parent().unwrap()).unwrap();
            let collect =
                async || collect(&store, &file, &target, &pointer, &redactor).await.unwrap();
            assert_eq!(collect().await, None);
            // Of the right size, but another content; then the file itself.
            fs::write(&kept, vec![b'z'; content.len()]).unwrap();
            assert_eq!(collect().await, None);
            fs::write(&file, content).unwrap();
            assert_eq!(collect().await, expected);
            assert_eq!(&fs::read(&kept).unwrap(), content);
            fs::remove_file(&file).unwrap();
            assert_eq!(collect().await, expected);
            assert_eq!(&fs::read(target.join(pointer.place())).unwrap(), content);
            // A link and a pipe are nothing.
            fs::rename(&kept, at("elsewhere")).unwrap();
            std::os::unix::fs::symlink(at("elsewhere"), &kept).unwrap();
            assert_eq!(collect().await, None);
            let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
            rustix::fs::mkfifoat(rustix::fs::CWD, &kept, mode).unwrap();
            assert_eq!(collect().await, None);
            assert!(!has(&store, &pointer));
        }
        // What is there and cannot be copied is not missing.
        fs::write(&file, &good).unwrap();
        let full = std::path::Path::new("/dev/full/objects");
        assert!(collect(&store, &file, full, &of(&good), &redactor).await.is_err());
    }
}
