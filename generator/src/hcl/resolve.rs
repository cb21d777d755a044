//! The closed world: every name that an expression of a folder uses is declared in that folder.

use std::collections::{BTreeMap, HashSet};

use hcl::expr::{Expression, ForExpr, ObjectKey, Operation, Traversal, TraversalOperator};

use super::block::{Block, Entry, Item};
use super::collect::{TWICE, is_left_out};
use super::name::{is_bound, plain};
use super::{Error, name, print};
use crate::nearest::nearest;

/// Names that Terraform itself provides, whole.
const BUILT_IN: [&str; 2] = ["path", "terraform"];

/// Every mistake in a folder's files: a reference to nothing, an address or an attribute twice.
pub(in crate::hcl) fn check(folder: &str, files: &BTreeMap<String, Vec<Item>>) -> Vec<Error> {
    let mut world = World { declared: HashSet::new(), errors: Vec::new() };
    for_each_block(folder, files, |place, block| world.declare(place, block));
    for_each_block(folder, files, |place, block| {
        let mut walk = Walk {
            world: &mut world,
            place,
            block: block.address(),
            each: block.each.as_deref(),
            bound: Vec::new(),
        };
        // The first label of a type keyword is not a reference: `type = list(string)`.
        for entry in &block.entries {
            match entry {
                Entry::Attribute(name, _) if block.kind == "variable" && name == "type" => {}
                Entry::Attribute(name, _) if block.kind == "run" && name == "command" => {}
                entry => walk.entry(entry),
            }
        }
        walk.doubles(block);
    });
    world.errors
}

fn for_each_block<'a>(
    folder: &str,
    files: &'a BTreeMap<String, Vec<Item>>,
    mut f: impl FnMut(&str, &'a Block),
) {
    for (file, items) in files {
        let place = format!("{folder}/{file}");
        for item in items {
            if let Item::Block(block) = item {
                f(&place, block);
            }
        }
    }
}

struct World {
    declared: HashSet<String>,
    errors: Vec<Error>,
}

impl World {
    fn declare(&mut self, place: &str, block: &Block) {
        let addresses: Vec<String> = match block.kind.as_str() {
            "locals" => block
                .entries
                .iter()
                .filter_map(|entry| match entry {
                    Entry::Attribute(name, _) => Some(format!("local.{name}")),
                    _ => None,
                })
                .collect(),
            "variable" => vec![format!("var.{}", block.labels[0])],
            "resource" => vec![block.labels.join(".")],
            "data" | "module" | "output" | "check" | "run" => vec![block.address()],
            _ => Vec::new(),
        };
        for address in addresses {
            if !self.declared.insert(address.clone()) {
                self.errors.push(Error::Twice { place: place.to_owned(), name: address });
            }
        }
    }
}

struct Walk<'a> {
    world: &'a mut World,
    place: &'a str,
    block: String,
    each: Option<&'a str>,
    bound: Vec<String>,
}

impl Walk<'_> {
    fn doubles(&mut self, block: &Block) {
        let mut seen = HashSet::new();
        for entry in &block.entries {
            match entry {
                Entry::Attribute(name, _) if block.kind != "locals" && !seen.insert(name) => {
                    let name = format!("{}.{name}", block.address());
                    self.world.errors.push(Error::Twice { place: self.place.to_owned(), name });
                }
                Entry::Block(inner) => self.doubles(inner),
                _ => {}
            }
        }
    }

    fn entry(&mut self, entry: &Entry) {
        match entry {
            Entry::Attribute(name, value) => {
                self.identifier(name);
                self.expression(value);
            }
            Entry::Block(block) => block.entries.iter().for_each(|entry| self.entry(entry)),
            Entry::Comment(_) | Entry::Gap => {}
        }
    }

    fn expression(&mut self, node: &Expression) {
        match node {
            Expression::Array(items) => items.iter().for_each(|item| self.expression(item)),
            Expression::Object(object) => {
                for (key, value) in object {
                    if let ObjectKey::Expression(key) = key {
                        self.key(key);
                    }
                    self.expression(value);
                }
            }
            Expression::Variable(name) => self.reference(name.as_str(), &[]),
            Expression::Traversal(traversal) => self.traversal(traversal),
            Expression::FuncCall(call) => {
                if let (TWICE, [Expression::String(key)]) = (call.name.name.as_str(), &*call.args) {
                    let name = format!("{}: key {key}", self.block);
                    self.world.errors.push(Error::Twice { place: self.place.to_owned(), name });
                }
                if is_left_out(node) {
                    let (place, block) = (self.place.to_owned(), self.block.clone());
                    self.world.errors.push(Error::LeftOut { place, block });
                }
                call.args.iter().for_each(|arg| self.expression(arg));
            }
            Expression::Parenthesis(inner) => self.expression(inner),
            Expression::Conditional(conditional) => {
                self.expression(&conditional.cond_expr);
                self.expression(&conditional.true_expr);
                self.expression(&conditional.false_expr);
            }
            Expression::Operation(operation) => match &**operation {
                Operation::Unary(unary) => self.expression(&unary.expr),
                Operation::Binary(binary) => {
                    self.expression(&binary.lhs_expr);
                    self.expression(&binary.rhs_expr);
                }
            },
            Expression::ForExpr(each) => self.for_expression(each),
            _ => {}
        }
    }

    fn key(&mut self, key: &Expression) {
        self.expression(key);
        if !matches!(key, Expression::String(_)) && print::holds_braces(key) {
            let (place, block) = (self.place.to_owned(), self.block.clone());
            self.world.errors.push(Error::Key { place, block, key: print::flat(key) });
        }
    }

    fn identifier(&mut self, name: &str) {
        if !name::check(name) {
            let (place, name) = (self.place.to_owned(), name.to_owned());
            self.world.errors.push(Error::Name { place, name });
        }
    }

    fn for_expression(&mut self, each: &ForExpr) {
        self.expression(&each.collection_expr);
        for name in each.key_var.iter().chain([&each.value_var]) {
            self.identifier(plain(name.as_str()));
        }
        let before = self.bound.len();
        self.bound.push(each.value_var.as_str().to_owned());
        self.bound.extend(each.key_var.iter().map(|key| key.as_str().to_owned()));
        let inner = each.key_expr.iter().chain([&each.value_expr]).chain(&each.cond_expr);
        inner.for_each(|node| self.expression(node));
        self.bound.truncate(before);
    }

    fn traversal(&mut self, traversal: &Traversal) {
        let names: Vec<&str> = traversal
            .operators
            .iter()
            .map_while(|operator| match operator {
                TraversalOperator::GetAttr(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        match &traversal.expr {
            Expression::Variable(root) => self.reference(root.as_str(), &names),
            other => self.expression(other),
        }
        for operator in &traversal.operators {
            match operator {
                TraversalOperator::Index(index) => self.expression(index),
                TraversalOperator::GetAttr(name) => self.identifier(name.as_str()),
                _ => {}
            }
        }
    }

    fn reference(&mut self, root: &str, names: &[&str]) {
        let binds = self.bound.iter().rev().find(|own| plain(own) == plain(root));
        match binds {
            Some(own) if own == root => return,
            Some(_) => {
                let (place, block) = (self.place.to_owned(), self.block.clone());
                let name = plain(root).to_owned();
                self.world.errors.push(Error::Shadowed { place, block, name });
                return;
            }
            None if BUILT_IN.contains(&root) || self.each == Some(root) => return,
            None => {}
        }
        if is_bound(root) {
            let names = names.iter().take(1).map(|name| format!(".{name}"));
            self.dangling(plain(root).to_owned() + &names.collect::<String>(), None);
            return;
        }
        let depth = if root == "data" { 2 } else { 1 };
        let mut address = root.to_owned();
        for name in names.iter().take(depth) {
            address.push('.');
            address.push_str(name);
        }
        if names.len() >= depth && self.world.declared.contains(&address) {
            // Terraform before 1.9 lets a validation name nothing else.
            if let Some(own) = self.block.strip_prefix("variable.")
                && address.strip_prefix("var.") != Some(own)
            {
                let (place, block) = (self.place.to_owned(), self.block.clone());
                self.world.errors.push(Error::Elsewhere { place, block, address });
            }
            return;
        }
        let near = nearest(&address, self.world.declared.iter().map(String::as_str));
        let near = near.map(str::to_owned);
        self.dangling(address, near);
    }

    fn dangling(&mut self, address: String, near: Option<String>) {
        self.world.errors.push(Error::Dangling {
            place: self.place.to_owned(),
            block: self.block.clone(),
            address,
            near,
        });
    }
}
