//! Imports: the units behind their names, and the types that they bring.

use super::model::{Checked, FnInfo, ModuleInfo, Resolution};
use super::types::{ImportedTypes, TypeScope, private};
use super::{Checker, codes, literal, names};
use crate::catalog;
use crate::diag::suggestion;
use crate::schema::{Field, Ty, TypeTable};
use crate::source::Span;
use crate::stdlib;
use crate::syntax::ast::ImportItem;
use crate::syntax::{Child, Node, NodeKind, Token};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What stands before `::` for a function of the language that a name of the unit hides.
const NATIVE: &str = "native";

/// What an import's name stands for.
#[derive(Debug, Clone)]
pub(super) enum Import {
    /// Another unit.
    Unit(Arc<Checked>),
    /// Something that could not be imported; a diagnostic said so.
    Unknown,
}

/// What an import says is imported, where that is a literal text.
pub fn import_path(item: ImportItem<'_>, text: &str) -> Option<String> {
    let value = literal::constant(item.path()?, text)?;
    value.as_str().map(str::to_owned)
}

/// The name of an import: what stands behind `as`, else the last part of the path.
fn alias(item: ImportItem<'_>, path: Option<&str>, text: &str) -> Option<Arc<str>> {
    if let Some(token) = item.alias(text) {
        return Some(token.text(text).into());
    }
    let last = path?.rsplit('/').next()?;
    Some(last.strip_suffix(".dsp").unwrap_or(last).into())
}

fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|it| it == '_' || it.is_alphabetic())
        && chars.all(|it| it == '_' || it.is_alphanumeric())
}

impl<'a> Checker<'a> {
    /// Takes down what an import brings.
    pub(super) fn import(&mut self, item: ImportItem<'a>) {
        let path = import_path(item, self.text);
        let span = item.path().map_or_else(|| self.span(item.0), |it| self.span(it));
        let import = match path.as_deref() {
            None => {
                let told = self.tell(codes::IMPORT, span, "the path of an import is a text");
                told.hints.push("`import \"lib/texts\" as texts;`".to_owned());
                Import::Unknown
            }
            Some(_) => match self.around.imports.get(&item.0.start) {
                Some(Some(unit)) => Import::Unit(unit.clone()),
                Some(None) => Import::Unknown,
                None => {
                    self.tell(codes::IMPORT, span, "this text imports no files");
                    Import::Unknown
                }
            },
        };
        let Some(alias) = alias(item, path.as_deref(), self.text) else { return };
        if !is_identifier(&alias) {
            let message = format!("`{alias}` cannot be the name of an import");
            let told = self.tell(codes::IMPORT, span, message);
            told.hints.push("name it: `import \"…\" as name;`".to_owned());
            return;
        }
        let span = item.alias(self.text).map_or(span, |it| it.span(self.source));
        if let Some((_, first)) = self.imports.get(&alias) {
            let first = *first;
            let message = format!("there are two imports named `{alias}`");
            let told = self.tell(codes::DUPLICATE_ITEM, span, message);
            *told = told.clone().label(first, "the first");
            return;
        }
        if let Import::Unit(unit) = &import {
            let members = unit.members.iter().chain(unit.outer.members.iter()).cloned();
            self.out.outer.members.extend(members);
            self.out.imports.insert(alias.clone(), unit.clone());
        }
        self.imports.insert(alias, (import, span));
    }

    /// What a name before `::` stands for.
    pub(super) fn import_named(&self, alias: &str) -> Option<Import> {
        let own = self.imports.get(alias).map(|it| it.0.clone());
        own.or_else(|| self.out.import(alias).map(|it| Import::Unit(it.clone())))
    }

    /// The unit that a path such as `texts::Title` names something of, and the name.
    pub(super) fn imported(&self, path: &Node) -> Option<(Arc<Checked>, &'a str)> {
        let [alias, name] = words(path)?;
        match self.import_named(alias.text(self.text))? {
            Import::Unit(unit) => Some((unit, name.text(self.text))),
            Import::Unknown => None,
        }
    }

    /// The function that a path names.
    pub(super) fn imported_function(&self, path: &Node) -> Option<Arc<FnInfo>> {
        let (unit, name) = self.imported(path)?;
        unit.public(name).and(unit.functions.get(name).cloned())
    }

    /// The module of this key, of this unit, an earlier or an imported one.
    pub(super) fn module(&self, key: &str) -> Option<Arc<ModuleInfo>> {
        match names::split(key) {
            Some((prefix, name)) if prefix != &*self.out.prefix => {
                let unit = self.around.units.iter().find(|it| &*it.prefix == prefix)?;
                unit.modules.get(name).cloned()
            }
            Some((_, name)) => self.out.module(name).cloned(),
            None => self.out.module(key).cloned(),
        }
    }

    /// What `alias::name` means.
    pub(super) fn path_resolution(&mut self, alias: &str, name: &str) -> Resolution {
        if let Some((key, _)) = self.imports.get_key_value(alias) {
            self.used_imports.insert(key.clone());
        }
        match self.import_named(alias) {
            Some(Import::Unit(unit)) => unit.public(name).unwrap_or(Resolution::Unknown),
            Some(_) => Resolution::Unknown,
            None if alias == "global" => self.item(name).unwrap_or(Resolution::Unknown),
            None if alias == NATIVE && catalog::native(name).is_some() => Resolution::Native,
            None => Resolution::Unknown,
        }
    }

    /// Says what is wrong with `alias::name`.
    pub(super) fn unknown_path(&mut self, alias: Token, name: Token) {
        let (prefix, word) = (alias.text(self.text), name.text(self.text));
        let span = name.span(self.source);
        match self.import_named(prefix) {
            Some(Import::Unknown) => {}
            Some(Import::Unit(unit)) if unit.item(word).is_some() => {
                self.diags.push(private(prefix, word, span));
            }
            Some(Import::Unit(unit)) => {
                let hint = suggestion(word, unit.public_items());
                let message = format!("`{prefix}` has no `{word}`");
                let told = self.tell(codes::UNKNOWN_NAME, span, message);
                *told = told.clone().suggest(hint);
            }
            None if prefix == NATIVE => {
                let message = format!("the language has no function `{word}`");
                let hint = suggestion(word, catalog::NATIVES.iter().map(|it| it.name));
                let told = self.tell(codes::UNKNOWN_NAME, span, message);
                *told = told.clone().suggest(hint);
            }
            None if prefix == "global" => {
                let message = format!("there is no const `{word}`");
                self.tell(codes::UNKNOWN_NAME, span, message);
            }
            None => {
                let message = format!("nothing is imported as `{prefix}`");
                let known: Vec<Arc<str>> = self.imports.keys().cloned().collect();
                let near = crate::diag::nearest(
                    prefix,
                    &known.iter().map(|it| &**it).collect::<Vec<_>>(),
                );
                let hint = match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if stdlib::unit(prefix).is_some() => {
                        format!("`import \"std/{prefix}\" as {prefix};`")
                    }
                    None => String::new(),
                };
                let told = self.tell(codes::UNKNOWN_NAME, alias.span(self.source), message);
                *told = told.clone().hint(hint);
            }
        }
    }

    /// Tells of imports that nothing names.
    pub(super) fn unused_imports(&mut self) {
        if self.around.open {
            return;
        }
        if self.imports.is_empty() {
            return;
        }
        let in_types = self.named_in_types();
        let unused: Vec<(Arc<str>, Span)> = self
            .imports
            .iter()
            .filter(|(alias, (import, _))| {
                let known = !matches!(import, Import::Unknown);
                known && !self.used_imports.contains(*alias) && !in_types.contains::<str>(alias)
            })
            .map(|(alias, (_, span))| (alias.clone(), *span))
            .collect();
        for (alias, span) in unused {
            let message = format!("the import `{alias}` is not used");
            let line = self.import_line(span);
            let told = self.tell(codes::UNUSED_IMPORT, span, message);
            *told = line.into_iter().fold(told.clone(), |told, line| told.edit(line, ""));
        }
    }

    /// The import that binds a name, with the end of its line.
    fn import_line(&self, name: Span) -> Option<Span> {
        let children = &self.tree.children;
        let behind = children.partition_point(|it| it.start() <= name.start);
        let Child::Node(item) = children.get(behind.checked_sub(1)?)? else { return None };
        let rest = self.text.get(item.end as usize..)?;
        let blank = rest.find('\n').filter(|end| rest[..*end].trim().is_empty());
        let more = u32::try_from(blank.map_or(0, |it| it + 1)).ok()?;
        Some(Span { start: item.start, end: item.end + more, ..name })
    }

    /// The names before `::` in types and in the texts of signatures.
    fn named_in_types(&self) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::new();
        for node in self.tree.walk() {
            use NodeKind as K;
            if !matches!(
                node.kind,
                K::TypeName | K::TypeGeneric | K::Literal | K::Template | K::TypeOneOf
            ) {
                continue;
            }
            let text = node.text(self.text);
            for (end, _) in text.match_indices("::") {
                let other = |it: char| it != '_' && !it.is_alphanumeric();
                found.extend(text[..end].rsplit(other).next());
            }
        }
        found
    }

    /// The types of earlier and of imported units; the unit's own come later, under their own
    /// names.
    pub(super) fn outer_types(&mut self) -> TypeScope {
        let own: BTreeSet<Arc<str>> = self
            .items
            .iter()
            .filter(|(_, it)| it.0 == Resolution::Type)
            .map(|(name, _)| name.clone())
            .collect();
        let mut table = TypeTable::new();
        let mut scope = TypeScope::default();
        if let Some(last) = self.around.prior.last() {
            let known = &last.type_scope;
            let local = |name: &str| known.names.values().any(|it| &**it == name);
            let renamed = adopt(&mut table, &own, &last.types, local);
            let all = |of: &BTreeMap<Arc<str>, Arc<str>>| {
                of.iter().map(|(name, key)| (name.clone(), renamed[key].clone())).collect()
            };
            scope.names = all(&known.names);
            for (alias, import) in &known.imports {
                let import = import.as_ref().map(|it| ImportedTypes {
                    types: all(&it.types),
                    private: it.private.clone(),
                });
                scope.imports.insert(alias.clone(), import);
            }
        }
        for (alias, (import, _)) in &self.imports {
            let types = match import {
                Import::Unknown => None,
                Import::Unit(unit) => {
                    let renamed = adopt(&mut table, &own, &unit.types, |_| false);
                    let (private, public): (Vec<_>, Vec<_>) =
                        unit.own_types().partition(|(name, _)| unit.private.contains(&**name));
                    let key = |(name, key): (&Arc<str>, &Arc<str>)| {
                        (name.clone(), renamed[key].clone())
                    };
                    Some(ImportedTypes {
                        types: public.into_iter().map(key).collect(),
                        private: private.into_iter().map(|it| it.0.clone()).collect(),
                    })
                }
            };
            scope.imports.insert(alias.clone(), types);
        }
        scope.table = Arc::new(table);
        scope
    }
}

impl Checked {
    /// What an item is that other units may name.
    pub fn public(&self, name: &str) -> Option<Resolution> {
        self.item(name).filter(|_| !self.private.contains(name))
    }

    /// The key of a const that other units may name.
    pub fn public_const(&self, name: &str) -> Option<Arc<str>> {
        (self.public(name) == Some(Resolution::Const)).then(|| self.key(name))
    }

    /// The names that other units may name.
    pub fn public_items(&self) -> impl Iterator<Item = &str> {
        let items = self.signatures.keys().chain(self.modules.keys());
        let items = items.chain(self.functions.keys()).chain(self.consts.keys());
        let types = self.own_types().map(|it| it.0);
        items.chain(types).map(|it| &**it).filter(|it| !self.private.contains(*it))
    }

    /// The types that it declares, with their names in the table.
    fn own_types(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.type_scope.names.iter()
    }
}

/// The two names of a path.
pub(super) fn words(path: &Node) -> Option<[Token; 2]> {
    let words: Vec<Token> =
        path.tokens().filter(|it| crate::syntax::ast::is_word(it.kind)).collect();
    words.try_into().ok()
}

/// Takes the types of another unit into a table, and says what each is called there: as it
/// was, unless that is the name of another type. Types that are `local` replace what is there.
fn adopt(
    table: &mut TypeTable,
    own: &BTreeSet<Arc<str>>,
    from: &TypeTable,
    local: impl Fn(&str) -> bool,
) -> BTreeMap<Arc<str>, Arc<str>> {
    let mut names: BTreeMap<Arc<str>, Arc<str>> =
        from.keys().map(|it| (it.clone(), it.clone())).collect();
    loop {
        let clash = from.iter().find(|(name, ty)| {
            let taken = || {
                own.contains(*name)
                    || table.get(*name).is_some_and(|it| *it != renamed(ty, &names))
            };
            names[*name] == **name && !local(name) && taken()
        });
        let Some((name, ty)) = clash else { break };
        for number in 2.. {
            let fresh: Arc<str> = format!("{name}_{number}").into();
            if own.contains(&fresh) || from.contains_key(&fresh) {
                continue;
            }
            names.insert(name.clone(), fresh.clone());
            if table.get(&fresh).is_none_or(|it| *it == renamed(ty, &names)) {
                break;
            }
        }
    }
    for (name, ty) in from {
        table.insert(names[name].clone(), renamed(ty, &names));
    }
    names
}

/// A type whose named parts are called otherwise.
fn renamed(ty: &Ty, names: &BTreeMap<Arc<str>, Arc<str>>) -> Ty {
    let inner = |it: &Ty| Box::new(renamed(it, names));
    match ty {
        Ty::Named(name) => Ty::Named(names.get(name).unwrap_or(name).clone()),
        Ty::List(it) => Ty::List(inner(it)),
        Ty::Dict(it) => Ty::Dict(inner(it)),
        Ty::Optional(it) => Ty::Optional(inner(it)),
        Ty::Bounded(it, bound) => Ty::Bounded(inner(it), *bound),
        Ty::Union(members) => {
            Ty::Union(Arc::new(members.iter().map(|it| renamed(it, names)).collect()))
        }
        Ty::Record(fields) => Ty::Record(Arc::new(
            fields
                .iter()
                .map(|it| Field { ty: renamed(&it.ty, names), ..it.clone() })
                .collect(),
        )),
        Ty::Str | Ty::Int | Ty::Float | Ty::Bool | Ty::Any | Ty::History | Ty::Media(_) => {
            ty.clone()
        }
        Ty::Enum(_) | Ty::OneOf(_) => ty.clone(),
    }
}
