//! What stays out of a commit that would be too large: dependencies and build products that nobody
//! told git to ignore, by folder.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
};

use crate::config::CommitLimits;

/// Folders that tools fill: they are kept out whole, not in parts.
const FILLED_BY_TOOLS: [&str; 10] = [
    ".gradle",
    ".next",
    ".tox",
    ".venv",
    "__pycache__",
    "build",
    "dist",
    "node_modules",
    "target",
    "venv",
];

/// A folder or a file, and what is in it.
#[derive(Debug, Default)]
struct Node {
    below: BTreeMap<OsString, Node>,
    files: u64,
    bytes: u64,
}

impl Node {
    fn weight(&self, by_bytes: bool) -> u64 {
        if by_bytes { self.bytes } else { self.files }
    }

    fn take_out(&mut self, path: &[OsString]) -> (u64, u64) {
        let Some((name, rest)) = path.split_first() else { return (self.files, self.bytes) };
        let Some(child) = self.below.get_mut(name) else { return (0, 0) };
        let (files, bytes) = child.take_out(rest);
        if rest.is_empty() {
            self.below.remove(name);
        }
        self.files -= files;
        self.bytes -= bytes;
        (files, bytes)
    }
}

/// What must stay out so that the rest keeps within the limits: folders, which end in `/`, and
/// files. `files` are paths with their size in bytes and whether they are new; only new ones count
/// against [`CommitLimits::files`].
pub(super) fn too_much<'a>(
    files: impl IntoIterator<Item = (&'a OsStr, u64, bool)>,
    limits: CommitLimits,
) -> Vec<OsString> {
    let mut root = Node::default();
    for (path, bytes, is_new) in files {
        let mut node = &mut root;
        for name in path.as_bytes().split(|byte| *byte == b'/') {
            node.files += u64::from(is_new);
            node.bytes += bytes;
            node = node.below.entry(OsStr::from_bytes(name).to_owned()).or_default();
        }
        node.files += u64::from(is_new);
        node.bytes += bytes;
    }
    let mut out = Vec::new();
    while root.bytes > limits.bytes || root.files > limits.files {
        let by_bytes = root.bytes > limits.bytes;
        let over = root.weight(by_bytes) - if by_bytes { limits.bytes } else { limits.files };
        for path in heaviest(&root, by_bytes, over) {
            let mut name = path.join(OsStr::new("/"));
            let (before, mut node) = (out.len(), &root);
            for part in &path {
                node = &node.below[part];
            }
            if !node.below.is_empty() {
                name.push("/");
            }
            root.take_out(&path);
            out.push(name);
            debug_assert!(out.len() > before);
        }
    }
    out.sort();
    out
}

/// The folder that holds most of what is too much, or as many files of one folder as are needed.
fn heaviest(root: &Node, by_bytes: bool, over: u64) -> Vec<Vec<OsString>> {
    let mut path: Vec<OsString> = Vec::new();
    let mut node = root;
    loop {
        let Some((name, child)) = node.below.iter().max_by_key(|(_, node)| node.weight(by_bytes))
        else {
            return vec![path];
        };
        let at_root = path.is_empty();
        let whole = path
            .last()
            .is_some_and(|name| name.to_str().is_some_and(|name| FILLED_BY_TOOLS.contains(&name)));
        if !at_root && (whole || child.weight(by_bytes) < node.weight(by_bytes).div_ceil(2)) {
            return vec![path];
        }
        if child.below.is_empty() {
            return files(node, &path, by_bytes, over);
        }
        path.push(name.clone());
        node = child;
    }
}

/// The heaviest files of a folder, until they are enough.
fn files(node: &Node, path: &[OsString], by_bytes: bool, over: u64) -> Vec<Vec<OsString>> {
    let mut files: Vec<_> = node.below.iter().filter(|(_, node)| node.below.is_empty()).collect();
    files.sort_by_key(|(_, node)| std::cmp::Reverse(node.weight(by_bytes)));
    let mut taken = 0;
    let enough = files.into_iter().take_while(|(_, node)| {
        let more = taken < over;
        taken += node.weight(by_bytes);
        more
    });
    enough.map(|(name, _)| [path, std::slice::from_ref(name)].concat()).collect()
}

/// Whether a path is one of these, or below one that ends in `/`.
pub(super) fn is_within<'a>(
    path: &OsStr,
    places: impl IntoIterator<Item = &'a OsString>,
) -> Option<&'a OsString> {
    let path = path.as_bytes();
    places.into_iter().find(|place| {
        let place = place.as_bytes();
        path == place || (place.ends_with(b"/") && path.starts_with(place))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: CommitLimits = CommitLimits { bytes: 1_000, files: 10 };

    fn out(files: &[(&str, u64, bool)]) -> Vec<String> {
        let files = files.iter().map(|(path, size, new)| (OsStr::new(*path), *size, *new));
        too_much(files, LIMITS).into_iter().map(|path| path.into_string().unwrap()).collect()
    }

    fn many(folder: &str, count: usize) -> Vec<(String, u64, bool)> {
        (0..count).map(|n| (format!("{folder}{n:03}"), 1, true)).collect()
    }

    #[test]
    fn what_is_kept_out() {
        let case = |groups: &[Vec<(String, u64, bool)>]| {
            let files = groups.concat();
            out(&files
                .iter()
                .map(|(path, size, new)| (path.as_str(), *size, *new))
                .collect::<Vec<_>>())
        };
        let own = vec![("src/own.rs".to_owned(), 5, true)];
        // Dependencies, at the top and in a package that is new itself.
        assert_eq!(case(&[many("node_modules/a/", 30), own.clone()]), ["node_modules/"]);
        assert_eq!(case(&[many("app/node_modules/a/", 30), own.clone()]), ["app/node_modules/"]);
        // A folder that no tool is known to fill.
        assert_eq!(case(&[many("src/gen/", 30), own.clone()]), ["src/gen/"]);
        // Two folders, each too much.
        let two = [many("x/", 30), many("y/", 20), own.clone()];
        assert_eq!(case(&two), ["x/", "y/"]);
        // Files at the top: as many as needed.
        assert_eq!(case(&[many("", 12)]).len(), 2);
        // One file that is too much by itself.
        let large = vec![("data/dump.bin".to_owned(), 5_000, true)];
        assert_eq!(case(&[large, own.clone()]), ["data/dump.bin"]);
        // Files that are not new count by their bytes alone.
        let known: Vec<_> = many("src/", 30).into_iter().map(|(p, s, _)| (p, s, false)).collect();
        assert!(case(&[known]).is_empty());
        assert!(case(&[own]).is_empty());
    }

    #[test]
    fn a_place_covers_itself_and_what_is_below_a_folder() {
        let places = [OsString::from("a/"), OsString::from("b")];
        for (path, within) in
            [("a/x", true), ("a", false), ("ab", false), ("b", true), ("b/x", false)]
        {
            assert_eq!(is_within(OsStr::new(path), &places).is_some(), within, "{path}");
        }
    }

    proptest! {
        #[test]
        fn the_rest_is_always_within_the_limits(
            files in prop::collection::btree_map("[ab]{1,2}(/[ab]{1,2}){0,3}", (0..400u64, any::<bool>()), 0..60),
        ) {
            // A path is not both a file and a folder.
            let files: Vec<_> = files
                .iter()
                .filter(|(path, _)| !files.keys().any(|other| other.starts_with(&format!("{path}/"))))
                .map(|(path, (size, new))| (OsStr::new(path.as_str()), *size, *new))
                .collect();
            let out = too_much(files.iter().copied(), LIMITS);
            let rest: Vec<_> = files.iter().filter(|(path, ..)| is_within(path, &out).is_none()).collect();
            prop_assert!(rest.iter().map(|(_, size, _)| size).sum::<u64>() <= LIMITS.bytes);
            prop_assert!(rest.iter().filter(|(.., new)| *new).count() <= 10);
            // Nothing stays out without need.
            let all: u64 = files.iter().map(|(_, size, _)| size).sum();
            let new = files.iter().filter(|(.., new)| *new).count();
            prop_assert_eq!(out.is_empty(), all <= LIMITS.bytes && new <= 10);
        }
    }
}
