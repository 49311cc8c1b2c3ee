//! Impl blocks and traits, with the bodies of their functions left as tokens: a half-typed body never keeps the
//! macro from doing its work.

use proc_macro2::TokenStream;
use quote::{ToTokens, TokenStreamExt, quote};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Generics, Ident, Path, Signature, Token, Type, TypeParamBound, Visibility, braced, token,
};

/// An impl block, of a type or of a trait for a type.
pub(crate) struct ImplBlock {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) generics: Generics,
    pub(crate) contract: Option<Path>,
    pub(crate) self_ty: Type,
    pub(crate) items: Vec<Item>,
    unsafety: Option<Token![unsafe]>,
    impl_token: Token![impl],
    brace: token::Brace,
}

/// A trait.
pub(crate) struct TraitBlock {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) unsafety: Option<Token![unsafe]>,
    pub(crate) ident: Ident,
    pub(crate) generics: Generics,
    pub(crate) supertraits: Punctuated<TypeParamBound, Token![+]>,
    pub(crate) items: Vec<Item>,
}

/// What stands in a block.
pub(crate) enum Item {
    /// A function.
    Fn(Box<Function>),
    /// Anything else, as it stands.
    Other(TokenStream),
}

/// A function: attributes, visibility and signature; the body, or the semicolon, as tokens.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    /// `None` ends with a semicolon.
    pub(crate) body: Option<TokenStream>,
}

impl Parse for ImplBlock {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let unsafety = input.parse()?;
        let impl_token = input.parse()?;
        let mut generics: Generics = if input.peek(Token![<]) { input.parse()? } else { Generics::default() };
        let first: Type = input.parse()?;
        let (contract, self_ty) = if input.peek(Token![for]) {
            let _: Token![for] = input.parse()?;
            let Type::Path(path) = first else {
                return Err(syn::Error::new_spanned(first, "expected a trait"));
            };
            (Some(path.path), input.parse()?)
        } else {
            (None, first)
        };
        generics.where_clause = input.parse()?;
        let content;
        let brace = braced!(content in input);
        Ok(Self { attrs, generics, contract, self_ty, items: items(&content)?, unsafety, impl_token, brace })
    }
}

impl ToTokens for ImplBlock {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attrs, generics, contract, self_ty, items, unsafety, impl_token, brace } = self;
        let (params, _, clause) = generics.split_for_impl();
        let contract = contract.as_ref().map(|path| quote!(#path for));
        tokens.extend(quote!(#(#attrs)* #unsafety #impl_token #params #contract #self_ty #clause));
        brace.surround(tokens, |tokens| tokens.append_all(items));
    }
}

impl Parse for TraitBlock {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let unsafety = input.parse()?;
        let _: Token![trait] = input.parse()?;
        let ident = input.parse()?;
        let mut generics: Generics = input.parse()?;
        let mut supertraits = Punctuated::new();
        if input.peek(Token![:]) {
            let _: Token![:] = input.parse()?;
            while !input.peek(token::Brace) && !input.peek(Token![where]) {
                supertraits.push_value(input.parse()?);
                if input.peek(Token![+]) {
                    supertraits.push_punct(input.parse()?);
                }
            }
        }
        generics.where_clause = input.parse()?;
        let content;
        braced!(content in input);
        Ok(Self { attrs, vis, unsafety, ident, generics, supertraits, items: items(&content)? })
    }
}

impl ToTokens for Item {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Fn(function) => function.to_tokens(tokens),
            Self::Other(other) => other.to_tokens(tokens),
        }
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attrs, vis, sig, body } = self;
        tokens.extend(quote!(#(#attrs)* #vis #sig));
        match body {
            Some(body) => body.to_tokens(tokens),
            None => tokens.extend(quote!(;)),
        }
    }
}

fn items(input: ParseStream<'_>) -> syn::Result<Vec<Item>> {
    let mut all = Vec::new();
    while !input.is_empty() {
        all.push(item(input)?);
    }
    Ok(all)
}

fn item(input: ParseStream<'_>) -> syn::Result<Item> {
    let attrs = input.call(Attribute::parse_outer)?;
    let vis: Visibility = input.parse()?;
    let ahead = input.fork();
    if let Ok(sig) = ahead.parse::<Signature>() {
        let sig_again = input.parse::<Signature>()?;
        drop(sig);
        let body = if input.peek(token::Brace) {
            Some(input.step(|cursor| match cursor.token_tree() {
                Some((tree, rest)) => Ok((tree.into_token_stream(), rest)),
                None => Err(cursor.error("expected a body")),
            })?)
        } else {
            let _: Token![;] = input.parse()?;
            None
        };
        return Ok(Item::Fn(Box::new(Function { attrs, vis, sig: sig_again, body })));
    }
    // A constant, a type, a macro call: up to its semicolon or its braces.
    let mut tokens = quote!(#(#attrs)* #vis);
    loop {
        let tree: proc_macro2::TokenTree = input.parse()?;
        let end = match &tree {
            proc_macro2::TokenTree::Punct(punct) => punct.as_char() == ';',
            proc_macro2::TokenTree::Group(group) => {
                group.delimiter() == proc_macro2::Delimiter::Brace && !input.peek(Token![;])
            }
            _ => false,
        };
        tokens.append(tree);
        if end || input.is_empty() {
            return Ok(Item::Other(tokens));
        }
    }
}
