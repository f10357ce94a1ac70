//! A Rust source file, parsed: its functions, the code that only tests see, and what it calls.

use std::ops::RangeInclusive;

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, Block, Expr, ExprMethodCall, ImplItemFn, Item, ItemFn, ItemMod, Macro, Signature,
    TraitItemFn,
    spanned::Spanned,
    visit::{self, Visit},
};

use crate::repository;

/// What the rules want to know of a Rust file.
pub struct RustFile {
    /// Relative to the root.
    pub path: &'static str,
    /// Its whole text.
    pub text: String,
    /// Every function with a body, of any visibility, also in tests.
    pub functions: Vec<Function>,
    /// Lines of items behind `#[cfg(test)]` or `#[test]`.
    pub test_lines: Vec<RangeInclusive<usize>>,
    /// Methods, macros and attributes by their names, outside constants.
    pub uses: Vec<Use>,
    /// Lines with the word `unsafe` in code.
    pub unsafe_lines: Vec<usize>,
    /// Lines with an attribute that keeps a test from running.
    pub ignored_lines: Vec<usize>,
}

/// A function and its length from `fn` to its closing brace.
pub struct Function {
    /// Its name without the path.
    pub name: String,
    /// Line of its `fn`.
    pub line: usize,
    /// Number of lines.
    pub lines: usize,
}

/// One use of something that has a name.
#[derive(Clone)]
pub struct Use {
    /// `unwrap` for a method, `panic!` for a macro.
    pub name: String,
    /// Where.
    pub line: usize,
    /// The innermost function around it, or nothing.
    pub function: String,
}

impl RustFile {
    /// All Rust files of the repository.
    pub fn all() -> Vec<Self> {
        repository::files_ending(&[".rs"]).into_iter().map(Self::read).collect()
    }

    /// Whether the whole file is test code: `tests.rs`, a folder `tests`, or the crate `tests`.
    pub fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests" || part == "tests.rs" || part == "benches")
    }

    /// Whether a line belongs to test code.
    pub fn is_test_line(&self, line: usize) -> bool {
        self.is_test() || self.test_lines.iter().any(|lines| lines.contains(&line))
    }

    fn read(path: &'static str) -> Self {
        let text = repository::text(path).expect("Rust is text");
        Self::parse(path, text)
    }

    fn parse(path: &'static str, text: String) -> Self {
        let tree = match syn::parse_file(&text) {
            Ok(tree) => tree,
            Err(error) => panic!("{path}:{}: {error}", error.span().start().line),
        };
        let mut finder = Finder::default();
        finder.visit_file(&tree);
        let ignored_docs = ignored_doc_tests(&text);
        finder.ignored_lines.extend(ignored_docs);
        Self {
            path,
            text,
            functions: finder.functions,
            test_lines: finder.test_lines,
            uses: finder.uses,
            unsafe_lines: finder.unsafe_lines,
            ignored_lines: finder.ignored_lines,
        }
    }
}

/// Walks a syntax tree and notes what the rules ask for.
#[derive(Default)]
struct Finder {
    functions: Vec<Function>,
    test_lines: Vec<RangeInclusive<usize>>,
    uses: Vec<Use>,
    unsafe_lines: Vec<usize>,
    ignored_lines: Vec<usize>,
    around: Vec<String>,
}

impl Finder {
    fn note_use(&mut self, name: String, line: usize) {
        let function = self.around.last().cloned().unwrap_or_default();
        self.uses.push(Use { name, line, function });
    }

    fn note_if_test(&mut self, attributes: &[Attribute], item: &impl Spanned) {
        if attributes.iter().any(is_test_attribute) {
            let span = item.span();
            self.test_lines.push(span.start().line..=span.end().line);
        }
    }

    fn enter(&mut self, signature: &Signature, body: &Block) {
        let line = signature.fn_token.span.start().line;
        let lines = body.span().end().line - line + 1;
        let name = signature.ident.to_string();
        self.functions.push(Function { name: name.clone(), line, lines });
        if let syn::Safety::Unsafe(unsafe_word) = signature.safety {
            self.unsafe_lines.push(unsafe_word.span.start().line);
        }
        self.around.push(name);
    }

    /// A macro's arguments are tokens and not a tree: `.unwrap(`, `panic!(` and `unsafe` are
    /// found by their shape.
    fn scan(&mut self, tokens: TokenStream) {
        let mut before = None;
        let mut rest = tokens.into_iter().peekable();
        while let Some(token) = rest.next() {
            match &token {
                TokenTree::Group(group) => self.scan(group.stream()),
                TokenTree::Ident(word) => {
                    let line = word.span().start().line;
                    let is_macro =
                        matches!(rest.peek(), Some(TokenTree::Punct(p)) if p.as_char() == '!');
                    if word == "unsafe" {
                        self.unsafe_lines.push(line);
                    } else if before == Some('.') {
                        self.note_use(word.to_string(), line);
                    } else if is_macro {
                        self.note_use(format!("{word}!"), line);
                    }
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            before = match token {
                TokenTree::Punct(punct) => Some(punct.as_char()),
                _ => None,
            };
        }
    }
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_item(&mut self, item: &'ast Item) {
        // What a constant computes is computed by the compiler: its panics are compile errors.
        if let Item::Const(_) | Item::Static(_) = item {
            return;
        }
        if let Item::Use(usage) = item {
            self.note_if_test(&usage.attrs, usage);
        }
        if let Item::Impl(block) = item {
            self.note_if_test(&block.attrs, block);
            self.unsafe_lines.extend(block.unsafety.map(|word| word.span.start().line));
        }
        if let Item::Trait(block) = item {
            self.unsafe_lines.extend(block.unsafety.map(|word| word.span.start().line));
        }
        if let Item::ForeignMod(block) = item {
            self.unsafe_lines.extend(block.unsafety.map(|word| word.span.start().line));
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        self.note_if_test(&module.attrs, module);
        visit::visit_item_mod(self, module);
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.note_if_test(&function.attrs, function);
        self.enter(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
        self.around.pop();
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.note_if_test(&function.attrs, function);
        self.enter(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
        self.around.pop();
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        let Some(body) = &function.default else { return };
        self.enter(&function.sig, body);
        visit::visit_trait_item_fn(self, function);
        self.around.pop();
    }

    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}

    fn visit_trait_item_const(&mut self, _: &'ast syn::TraitItemConst) {}

    fn visit_expr(&mut self, expression: &'ast Expr) {
        match expression {
            Expr::Const(_) => return,
            Expr::Unsafe(block) => {
                self.unsafe_lines.push(block.unsafe_token.span.start().line);
            }
            _ => {}
        }
        visit::visit_expr(self, expression);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        self.note_use(call.method.to_string(), call.method.span().start().line);
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        if let Some(name) = call.path.segments.last() {
            self.note_use(format!("{}!", name.ident), name.ident.span().start().line);
        }
        self.scan(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        let mut words = Vec::new();
        collect_words(quote_of(attribute), &mut words);
        if words.iter().any(|word| word == "ignore") {
            self.ignored_lines.push(attribute.pound_token.span.start().line);
        }
    }
}

fn is_test_attribute(attribute: &Attribute) -> bool {
    let path = attribute.path();
    let mut words = Vec::new();
    if path.is_ident("cfg") {
        collect_words(quote_of(attribute), &mut words);
    }
    let last = path.segments.last().map(|segment| segment.ident.to_string());
    last.as_deref() == Some("test")
        || (words.iter().any(|word| word == "test") && !words.iter().any(|word| word == "not"))
}

/// The tokens in the parentheses of an attribute.
fn quote_of(attribute: &Attribute) -> TokenStream {
    match &attribute.meta {
        syn::Meta::List(list) => {
            let path = list.path.get_ident().map(|ident| TokenTree::Ident(ident.clone()));
            path.into_iter().chain(list.tokens.clone()).collect()
        }
        syn::Meta::Path(path) => {
            path.get_ident().cloned().map(TokenTree::Ident).into_iter().collect()
        }
        syn::Meta::NameValue(pair) => {
            pair.path.get_ident().cloned().map(TokenTree::Ident).into_iter().collect()
        }
    }
}

fn collect_words(tokens: TokenStream, words: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(word) => words.push(word.to_string()),
            TokenTree::Group(group) => collect_words(group.stream(), words),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Lines that open an example which is never compiled.
fn ignored_doc_tests(text: &str) -> Vec<usize> {
    let is_fence = |line: &str| {
        let line = line.trim_start();
        (line.starts_with("///") || line.starts_with("//!"))
            && line.trim_start_matches(['/', '!', ' ']).starts_with("```ignore")
    };
    let numbered = text.lines().enumerate();
    numbered.filter(|(_, line)| is_fence(line)).map(|(index, _)| index + 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<(String, usize, String)> {
        let file = RustFile::parse("a.rs", text.to_owned());
        file.uses.into_iter().map(|found| (found.name, found.line, found.function)).collect()
    }

    #[test]
    fn methods_and_macros_are_found_also_inside_macros() {
        let text = "fn f() {\n    a.unwrap();\n    assert!(b.expect(\"x\"));\n    panic!();\n}\n";
        let expected = [("unwrap", 2), ("assert!", 3), ("expect", 3), ("panic!", 4)];
        let found = names(text);
        assert_eq!(found.len(), expected.len());
        for ((name, line, function), (expected_name, expected_line)) in found.iter().zip(expected) {
            assert_eq!((name.as_str(), *line), (expected_name, expected_line));
            assert_eq!(function, "f");
        }
    }

    #[test]
    fn constants_may_panic_since_the_compiler_runs_them() {
        assert!(names("const A: u8 = match B { Some(b) => b, None => panic!() };").is_empty());
        assert!(names("fn f() { const { assert!(A.unwrap() == 1) } }").is_empty());
    }

    #[test]
    fn test_code_is_told_from_the_rest() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n\
                    #[cfg(not(test))]\nfn c() {}\n";
        let file = RustFile::parse("a.rs", text.to_owned());
        let of_tests: Vec<_> = (1..=7).filter(|line| file.is_test_line(*line)).collect();
        assert_eq!(of_tests, [2, 3, 4, 5]);
    }

    #[test]
    fn unsafe_code_and_ignored_tests_are_found() {
        let text = "unsafe impl Send for A {}\nfn f() {\n    unsafe { g() }\n}\n\
                    unsafe fn h() {}\n#[test]\n#[ignore = \"slow\"]\n\
                    fn t() {}\n/// ```ignore\nfn u() {}\n";
        let file = RustFile::parse("a.rs", text.to_owned());
        assert_eq!(file.unsafe_lines, [1, 3, 5]);
        assert_eq!(file.ignored_lines, [7, 9]);
    }

    #[test]
    fn functions_are_measured_from_fn_to_brace() {
        let file =
            RustFile::parse("a.rs", "/// Doc.\n#[inline]\nfn f() {\n    g();\n}\n".to_owned());
        assert_eq!(file.functions.len(), 1);
        assert_eq!((file.functions[0].line, file.functions[0].lines), (3, 3));
    }
}
