//! Every way a packet can end is taken by some test.

use proc_macro2::{TokenStream, TokenTree};

use crate::{
    nobody_breaks,
    repository::{self, files},
    rust_file::RustFile,
};

const LIST: &str = "datapath/tables/src/drop_reason.rs";

#[test]
fn every_drop_reason_is_named_by_a_test() {
    let reasons = drop_reasons();
    assert!(!reasons.is_empty(), "{LIST} has a list `drop_reasons! {{ Name => \"counter\", }}`");
    let tests = text_of_tests();
    let mut offenders = Vec::new();
    for (name, counter) in reasons {
        let by_name = format!("DropReason::{name}");
        let named = tests.iter().any(|text| has(text, &by_name) || has(text, &counter));
        if !named {
            offenders.push(format!("{by_name} ({counter})"));
        }
    }
    nobody_breaks("each drop reason is named, or its counter is, by a test", &offenders);
}

/// Name and counter of every drop reason, from the arguments of the macro that lists them.
fn drop_reasons() -> Vec<(String, String)> {
    let text = repository::text(LIST).expect("Rust is text");
    let tree = syn::parse_file(&text).expect("Rust that compiles");
    let lists = tree.items.into_iter().filter_map(|item| match item {
        syn::Item::Macro(call) if call.mac.path.is_ident("drop_reasons") => Some(call.mac.tokens),
        _ => None,
    });
    lists.flat_map(pairs).collect()
}

/// The `Name => "counter"` pairs in a list; doc comments and punctuation are passed over.
fn pairs(list: TokenStream) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut name = None;
    for token in list {
        match token {
            TokenTree::Ident(ident) => name = Some(ident.to_string()),
            TokenTree::Literal(literal) => {
                let counter = literal.to_string().trim_matches('"').to_owned();
                pairs.extend(name.take().map(|name| (name, counter)));
            }
            TokenTree::Group(_) | TokenTree::Punct(_) => {}
        }
    }
    pairs
}

/// What tests consist of: the test code of every Rust file and whatever else lies in tests/.
fn text_of_tests() -> Vec<String> {
    let all = RustFile::all().into_iter();
    // This folder names a few as examples.
    let others = all.filter(|file| !file.path.starts_with("tests/tidy/"));
    let rust = others.map(|file| {
        let numbered = file.text.lines().enumerate();
        let lines = numbered.filter(|(index, _)| file.is_test_line(index + 1));
        lines.map(|(_, line)| line).collect::<Vec<_>>().join("\n")
    });
    let other = files().iter().filter(|path| path.starts_with("tests/") && !path.ends_with(".rs"));
    rust.chain(other.filter_map(|path| repository::text(path))).collect()
}

/// Whether `word` is in the text and is not the beginning of a longer one.
fn has(text: &str, word: &str) -> bool {
    let longer = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[at + word.len()..].starts_with(longer) && !text[..at].ends_with(longer)
    })
}

#[test]
fn the_list_is_read_past_its_comments() {
    let list = "/// No SA.\n NoSa => \"esp_no_sa\",\n /// Seen before.\n Replayed => \"replayed\",";
    let found = pairs(list.parse().expect("tokens"));
    let expected = [("NoSa", "esp_no_sa"), ("Replayed", "replayed")];
    assert_eq!(found, expected.map(|(name, counter)| (name.to_owned(), counter.to_owned())));
    assert!(has("a DropReason::NoSa b", "DropReason::NoSa"));
    assert!(!has("DropReason::NoSaFor", "DropReason::NoSa"));
}
