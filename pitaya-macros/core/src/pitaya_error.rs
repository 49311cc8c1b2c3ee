//! `#[derive(PitayaError)]`: errors with a code for each variant.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseBuffer, ParseStream};
use syn::{
    Attribute, Data, DeriveInput, Fields, Ident, LitInt, LitStr, Member, Path, Token, Type, parse_quote,
    token,
};

use crate::attr::doc_text;
use crate::block::method::place_of;
use crate::block::place;
use crate::errors::{Errors, Expansion, Sink};

/// Expands `#[derive(PitayaError)]`; the item is not repeated.
pub fn pitaya_error(item: TokenStream) -> Expansion {
    let errors = Errors::default();
    let sink = errors.sink();
    let tokens = match syn::parse2::<DeriveInput>(item) {
        Ok(input) => expand(&input, &sink),
        Err(error) => {
            sink.absorb(error);
            TokenStream::new()
        }
    };
    errors.expansion(tokens)
}

/// `#[pitaya(code = "CHAT-001", metadata(room = name))]`, `#[pitaya(transparent)]`, `#[pitaya(crate = path)]`.
#[derive(Default)]
struct Says {
    code: Option<LitStr>,
    metadata: Vec<(LitStr, Member)>,
    transparent: Option<Ident>,
    krate: Option<Path>,
}

/// `key = field` or `"some key" = field`.
struct Pair(LitStr, Member);

impl Parse for Pair {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key = if input.peek(LitStr) {
            let key: LitStr = input.parse()?;
            if !input.peek(Token![=]) {
                let message = format!("`{0}` is of no field: write `\"{0}\" = field`", key.value());
                return Err(syn::Error::new(key.span(), message));
            }
            key
        } else {
            let ident = input.call(Ident::parse_any).map_err(|error| {
                syn::Error::new(error.span(), "`metadata` takes fields: write `metadata(room, key = field)`")
            })?;
            let key = LitStr::new(&ident.unraw().to_string(), ident.span());
            if !input.peek(Token![=]) {
                return Ok(Self(key, Member::Named(ident)));
            }
            key
        };
        input.parse::<Token![=]>()?;
        let member =
            if input.peek(LitInt) { Member::Unnamed(input.parse()?) } else { Member::Named(input.parse()?) };
        Ok(Self(key, member))
    }
}

const KEYS: &str = "`code`, `metadata` and `transparent`";

impl Says {
    fn read(attrs: &[Attribute], container: bool, sink: &Sink<'_>) -> Self {
        let mut says = Self::default();
        for attr in attrs.iter().filter(|a| a.path().is_ident("pitaya")) {
            if attr.meta.require_list().is_err() {
                sink.on(attr, "`#[pitaya]` has no arguments: write `#[pitaya(code = \"…\")]`");
                continue;
            }
            let read = attr.parse_nested_meta(|meta| {
                let key = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
                match key.as_str() {
                    "code" => {
                        let text: LitStr = meta.value().and_then(ParseBuffer::parse).map_err(|e| {
                            syn::Error::new(e.span(), "`code` takes a string: write `code = \"CHAT-001\"`")
                        })?;
                        if text.value().is_empty() {
                            sink.on(
                                &text,
                                "a code is what clients compare: write one, such as `\"CHAT-001\"`",
                            );
                        }
                        if says.code.replace(text).is_some() {
                            sink.on(&meta.path, "`code` is given twice: keep one of them");
                        }
                    }
                    "metadata" => {
                        if !meta.input.peek(token::Paren) {
                            let message = "`metadata` takes fields: write `metadata(room, key = field)`";
                            return Err(syn::Error::new_spanned(&meta.path, message));
                        }
                        let inner;
                        syn::parenthesized!(inner in meta.input);
                        let pairs = inner.parse_terminated(Pair::parse, Token![,])?;
                        says.metadata.extend(pairs.into_iter().map(|Pair(key, member)| (key, member)));
                    }
                    "transparent" if !meta.input.is_empty() && !meta.input.peek(Token![,]) => {
                        let message = "`transparent` takes no value: write just `transparent`";
                        return Err(syn::Error::new_spanned(&meta.path, message));
                    }
                    "transparent" => says.transparent = meta.path.get_ident().cloned(),
                    "crate" if container => says.krate = Some(meta.value()?.call(Path::parse_mod_style)?),
                    _ => {
                        return Err(syn::Error::new_spanned(
                            &meta.path,
                            format!("unknown key `{key}`: `#[pitaya]` takes {KEYS}"),
                        ));
                    }
                }
                Ok(())
            });
            sink.ok(read);
        }
        says
    }
}

fn expand(input: &DeriveInput, sink: &Sink<'_>) -> TokenStream {
    let name = &input.ident;
    if !input.generics.params.is_empty() {
        sink.on(
            &input.generics,
            format!("`{name}` is recognised by its type, so it cannot be generic: write the types out"),
        );
    }
    let general = Says::read(&input.attrs, true, sink);
    let krate = general.krate.clone().unwrap_or_else(|| parse_quote!(::pitaya));
    let private = quote!(#krate::__private);
    let arms: Vec<Arm> = match &input.data {
        Data::Struct(data) => {
            let arm = arm(&private, &quote!(Self), name, &data.fields, &general, None, sink);
            vec![arm.with_doc(&input.attrs)]
        }
        Data::Enum(data) => data
            .variants
            .iter()
            .map(|variant| {
                let sink = sink.child();
                let says = Says::read(&variant.attrs, false, &sink);
                if sink.failed() {
                    return Arm::default();
                }
                let ident = &variant.ident;
                arm(
                    &private,
                    &quote!(Self::#ident),
                    ident,
                    &variant.fields,
                    &says,
                    general.code.as_ref(),
                    &sink,
                )
                .with_doc(&variant.attrs)
            })
            .collect(),
        Data::Union(data) => {
            sink.on(data.union_token, format!("an error cannot be a union: make `{name}` an `enum`"));
            Vec::new()
        }
    };
    let coded = if sink.failed() {
        quote!(::core::panic!("the error has errors"))
    } else if arms.is_empty() {
        quote!(match *self {})
    } else {
        let arms = arms.iter().map(|Arm { cfgs, arm, .. }| quote!(#cfgs #arm));
        quote!(match self { #(#arms)* })
    };
    let codes = (!sink.failed()).then(|| codes(&private, &arms));
    if !input.generics.params.is_empty() || matches!(input.data, Data::Union(_)) {
        return TokenStream::new();
    }
    let implementation = quote_spanned! {place(name.span())=>
        impl #private::CodedError for #name
    };
    quote! {
        #[automatically_derived]
        #[allow(deprecated, clippy::all, clippy::pedantic)]
        #implementation {
            fn coded(&self) -> #private::Coded<'_> {
                #coded
            }
        }
        #[automatically_derived]
        impl #private::IntoError for #name {
            #codes
            fn into_error(self) -> #private::Error {
                #private::coded(self)
            }
        }
        #[automatically_derived]
        impl ::core::convert::From<#name> for #private::Error {
            fn from(error: #name) -> Self {
                #private::coded(error)
            }
        }
        const _: () = {
            use #private as __p;
            __p::inventory::submit! { __p::ErrorRecognizer::of::<#name>() }
        };
    }
}

/// The expansion of a variant.
#[derive(Default)]
struct Arm {
    cfgs: TokenStream,
    doc: String,
    /// The arm that returns the code and metadata of a value.
    arm: TokenStream,
    code: Code,
}

/// The code of a variant in the schema.
#[derive(Default)]
enum Code {
    #[default]
    None,
    Own(LitStr, Vec<LitStr>),
    /// The type of the error inside.
    Inner(Box<Type>),
}

impl Arm {
    fn with_doc(mut self, attrs: &[Attribute]) -> Self {
        self.doc = doc_text(attrs);
        self.cfgs = crate::block::cfgs(attrs);
        self
    }
}

/// The codes of the type, as a constant.
fn codes(private: &TokenStream, arms: &[Arm]) -> TokenStream {
    let codes = arms.iter().map(|Arm { cfgs, doc, code, .. }| match code {
        Code::Own(code, keys) => quote!(#cfgs __p::VariantCode::Own(#code, #doc, &[#(#keys),*])),
        Code::Inner(ty) => quote!(#cfgs __p::VariantCode::Inner(<__p::ErrorProbe<#ty>>::CODES)),
        Code::None => TokenStream::new(),
    });
    quote! {
        const CODES: #private::ErrorCodes = {
            #[allow(unused_imports)]
            use #private::{self as __p, fallback::*};
            __p::ErrorCodes::Of(&[#(#codes),*])
        };
    }
}

/// One arm: the pattern binds what the metadata needs.
fn arm(
    private: &TokenStream,
    path: &TokenStream,
    ident: &Ident,
    fields: &Fields,
    says: &Says,
    general: Option<&LitStr>,
    sink: &Sink<'_>,
) -> Arm {
    if let Some(key) = &says.transparent {
        let mut members = fields.members();
        let (Some(member), None) = (members.next(), members.next()) else {
            sink.on(key, format!("`{ident}` passes another error on, so it holds that and nothing else: write `{ident}(TheError)`"));
            return Arm::default();
        };
        if let Some(code) = &says.code {
            sink.on(
                code,
                format!("`{ident}` has the code of the error that it holds: remove `code`, or `transparent`"),
            );
        }
        let ty = fields.iter().next().map(|field| &field.ty);
        let at = ty.map_or_else(|| key.span(), place_of);
        let inner = Ident::new("inner", place(at));
        let passed = quote_spanned!(at=> #private::Coded::Inner(#inner));
        return Arm {
            arm: quote!(#path { #member: #inner } => #passed,),
            code: ty.map_or(Code::None, |ty| Code::Inner(Box::new(ty.clone()))),
            ..Arm::default()
        };
    }
    let Some(code) = says.code.as_ref().or(general) else {
        sink.on(ident, format!("clients need a code for `{ident}`: write `#[pitaya(code = \"…\")]`, or `#[pitaya(transparent)]` if it passes another error on"));
        return Arm::default();
    };
    let mut bound: Vec<(Member, Ident)> = Vec::new();
    let mut pairs = Vec::new();
    for (i, (key, member)) in says.metadata.iter().enumerate() {
        if !fields.members().any(|m| m == *member) {
            let has: Vec<_> = fields.members().map(|m| quote!(#m).to_string()).collect();
            let instead = if has.is_empty() {
                "remove it".to_owned()
            } else {
                format!("write one of {}", crate::attr::list(has.iter().map(String::as_str), "or"))
            };
            sink.on(member, format!("`{ident}` has no field `{}`: {instead}", quote!(#member)));
            continue;
        }
        let span = match member {
            Member::Named(ident) => ident.span(),
            Member::Unnamed(index) => index.span,
        };
        let var = format_ident!("m{i}", span = place(span));
        pairs.push(quote_spanned!(place(span)=> (#key, ::std::string::ToString::to_string(#var))));
        bound.push((member.clone(), var));
    }
    let patterns = bound.iter().map(|(member, var)| quote!(#member: #var));
    Arm {
        arm: quote! {
            #path { #(#patterns,)* .. } => {
                #private::Coded::Code(#code, ::std::vec![#(#pairs),*])
            }
        },
        code: Code::Own(code.clone(), says.metadata.iter().map(|(key, _)| key.clone()).collect()),
        ..Arm::default()
    }
}
