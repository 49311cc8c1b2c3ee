//! Parses an impl block or a trait without its bodies.
//!
//! A half-typed body must not break the macro, or editors lose every completion in the block.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens, TokenStreamExt};
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{
    Attribute, FnArg, ImplItem, Item, ItemImpl, ItemTrait, Meta, Path, Signature, Token, TraitItem,
    Visibility,
};

use crate::attr::{is_marker, is_marker_path};

/// The markers, which are removed from the block.
pub(crate) const MARKERS: [&str; 7] =
    ["route", "skip", "concurrent", "extract", "every", "timeout", "idempotent"];

/// An impl block or a trait, as the user wrote it.
pub(crate) struct Block<H> {
    /// Everything but the items.
    pub(crate) header: H,
    pub(crate) items: Vec<BlockItem>,
}

/// An item with `#[handler]`, `#[remote]` or `#[timers]`.
pub(crate) enum Target {
    Impl(Block<ItemImpl>),
    Trait(Block<ItemTrait>),
    Other,
}

pub(crate) enum BlockItem {
    Fn(Box<Function>),
    /// A const, a type, a macro call, or something half-typed.
    Other(TokenStream),
}

/// A function whose body is tokens.
#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    pub(crate) body: Body,
    /// The markers, which are not in `attrs` any more.
    pub(crate) markers: Vec<Attribute>,
    /// Per argument (the receiver included): its `#[extract]`, if it has one.
    pub(crate) extract: Vec<Option<Attribute>>,
}

#[derive(Clone)]
pub(crate) enum Body {
    Block(Group),
    Semicolon(Token![;]),
}

impl Target {
    /// Reads an item. An error is one of syntax, which the compiler reports too.
    pub(crate) fn parse(tokens: TokenStream) -> syn::Result<Self> {
        let Some((header, body)) = split_body(tokens) else { return Ok(Self::Other) };
        match syn::parse2::<Item>(header) {
            Ok(Item::Impl(mut header)) => {
                header.brace_token.span = body.delim_span();
                let items = read_items(&mut header.attrs, body.stream())?;
                Ok(Self::Impl(Block { header, items }))
            }
            Ok(Item::Trait(mut header)) => {
                header.brace_token.span = body.delim_span();
                let items = read_items(&mut header.attrs, body.stream())?;
                Ok(Self::Trait(Block { header, items }))
            }
            Ok(_) => Ok(Self::Other),
            Err(error) => Err(error),
        }
    }
}

/// Splits an item into itself with an empty body, and its body.
fn split_body(tokens: TokenStream) -> Option<(TokenStream, Group)> {
    let mut trees: Vec<_> = tokens.into_iter().collect();
    // An item that is a fragment of `macro_rules!`, or the end of one, is in a group without delimiters.
    while let Some(TokenTree::Group(group)) = trees.last()
        && group.delimiter() == Delimiter::None
    {
        let inner = group.stream();
        trees.pop();
        trees.extend(inner);
    }
    let Some(TokenTree::Group(body)) = trees.pop() else { return None };
    if body.delimiter() != Delimiter::Brace {
        return None;
    }
    let mut empty = Group::new(Delimiter::Brace, TokenStream::new());
    empty.set_span(body.span());
    trees.push(empty.into());
    Some((trees.into_iter().collect(), body))
}

fn read_items(attrs: &mut Vec<Attribute>, body: TokenStream) -> syn::Result<Vec<BlockItem>> {
    let read = |input: ParseStream<'_>| {
        attrs.extend(input.call(Attribute::parse_inner)?);
        let mut items = Vec::new();
        while !input.is_empty() {
            let fork = input.fork();
            if let Ok(function) = fork.parse::<Function>() {
                syn::parse::discouraged::Speculative::advance_to(input, &fork);
                items.push(BlockItem::Fn(Box::new(function)));
            } else {
                items.push(BlockItem::Other(strip_markers(raw_item(input)?)));
            }
        }
        Ok(items)
    };
    read.parse2(body)
}

/// Takes the tokens of one item, up to its `;` or its block.
fn raw_item(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    let mut tokens = TokenStream::new();
    let mut value = false;
    while !input.is_empty() {
        let tree: TokenTree = input.parse()?;
        let end = match &tree {
            TokenTree::Punct(punct) => {
                value |= punct.as_char() == '=';
                punct.as_char() == ';'
            }
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace && !value,
            _ => false,
        };
        tokens.append(tree);
        if end {
            break;
        }
    }
    Ok(tokens)
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let (markers, attrs) = input
            .call(Attribute::parse_outer)?
            .into_iter()
            .partition(|a| MARKERS.iter().any(|m| is_marker(a, m)) || conditional(a).is_some());
        let vis = input.parse()?;
        let mut sig: Signature = input.parse()?;
        let body = if input.peek(Token![;]) {
            Body::Semicolon(input.parse()?)
        } else {
            let group: Group = input.parse()?;
            if group.delimiter() != Delimiter::Brace {
                return Err(syn::Error::new(group.span(), "expected a body"));
            }
            Body::Block(group)
        };
        let extract = sig.inputs.iter_mut().map(take_extract).collect();
        Ok(Self { attrs, vis, sig, body, markers, extract })
    }
}

/// Returns the attribute of a `cfg_attr` that is a marker or would remove the method.
pub(crate) fn conditional(attr: &Attribute) -> Option<Meta> {
    if !attr.path().is_ident("cfg_attr") {
        return None;
    }
    let metas = attr.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()?;
    let ours =
        |path: &Path| path.is_ident("cfg") || MARKERS.iter().any(|marker| is_marker_path(path, marker));
    metas.into_iter().skip(1).find(|meta| ours(meta.path()))
}

fn take_extract(arg: &mut FnArg) -> Option<Attribute> {
    let attrs = match arg {
        FnArg::Receiver(receiver) => &mut receiver.attrs,
        FnArg::Typed(arg) => &mut arg.attrs,
    };
    let place = attrs.iter().position(|a| is_marker(a, "extract"))?;
    Some(attrs.remove(place))
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.append_all(&self.attrs);
        self.vis.to_tokens(tokens);
        self.sig.to_tokens(tokens);
        match &self.body {
            Body::Block(group) => group.to_tokens(tokens),
            Body::Semicolon(semicolon) => semicolon.to_tokens(tokens),
        }
    }
}

impl ToTokens for BlockItem {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Fn(function) => function.to_tokens(tokens),
            Self::Other(other) => other.to_tokens(tokens),
        }
    }
}

impl<H> Block<H> {
    pub(crate) fn functions(&self) -> impl Iterator<Item = &Function> {
        self.items.iter().filter_map(|item| match item {
            BlockItem::Fn(function) => Some(&**function),
            BlockItem::Other(_) => None,
        })
    }
}

impl Block<ItemImpl> {
    /// The block without its markers, each item as `write` says.
    pub(crate) fn stripped(&self, write: impl Fn(&BlockItem) -> TokenStream) -> TokenStream {
        let mut item = self.header.clone();
        item.items = self.items.iter().map(|item| ImplItem::Verbatim(write(item))).collect();
        item.into_token_stream()
    }
}

impl Block<ItemTrait> {
    /// The trait with other items.
    pub(crate) fn with_items(&self, items: impl IntoIterator<Item = TokenStream>) -> ItemTrait {
        let mut item = self.header.clone();
        item.items = items.into_iter().map(TraitItem::Verbatim).collect();
        item
    }
}

/// Removes the markers from tokens that cannot be parsed, so that the compiler reports the syntax error and not an unknown
/// marker.
pub(crate) fn strip_markers(tokens: TokenStream) -> TokenStream {
    let mut out = TokenStream::new();
    let mut trees = tokens.into_iter().peekable();
    while let Some(tree) = trees.next() {
        match tree {
            TokenTree::Punct(hash) if hash.as_char() == '#' => match trees.peek() {
                Some(TokenTree::Group(group)) if marks(group) => {
                    trees.next();
                }
                _ => out.append(hash),
            },
            TokenTree::Group(group) => {
                let mut stripped = Group::new(group.delimiter(), strip_markers(group.stream()));
                stripped.set_span(group.span());
                out.append(stripped);
            }
            other => out.append(other),
        }
    }
    out
}

fn marks(group: &Group) -> bool {
    let first = group.stream().into_iter().next();
    group.delimiter() == Delimiter::Bracket
        && matches!(first, Some(TokenTree::Ident(name)) if MARKERS.iter().any(|m| name == m))
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[test]
    fn a_half_typed_body_does_not_stop_the_reading() {
        let tokens = quote! { impl Room { pub async fn enter(&self) { self.  let = } const N: u8 = { 1 }; } };
        let Ok(Target::Impl(block)) = Target::parse(tokens.clone()) else { panic!("not read") };
        assert_eq!(block.functions().count(), 1);
        assert_eq!(block.stripped(BlockItem::to_token_stream).to_string(), tokens.to_string());
    }

    #[test]
    fn unparsable_item_is_kept_without_markers() {
        let tokens = quote! { impl Room { #[route("a")] pub async fn (&self) {} pub async fn b(&self) {} } };
        let Ok(Target::Impl(block)) = Target::parse(tokens) else { panic!("not read") };
        let kept = quote! { impl Room { pub async fn (&self) {} pub async fn b(&self) {} } };
        assert_eq!(block.stripped(BlockItem::to_token_stream).to_string(), kept.to_string());
    }
}
