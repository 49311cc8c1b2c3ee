//! Types and expressions without their invisible groups.
//!
//! A fragment of `macro_rules!`, such as `$t:ty`, reaches a macro in a group without visible delimiters. Whatever
//! compares the form of a type or of an expression does so through this module.

use syn::{Expr, GenericArgument, PathArguments, Type};

/// Returns the type inside of groups and parentheses.
pub(crate) fn ty(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => self::ty(&group.elem),
        Type::Paren(paren) => self::ty(&paren.elem),
        other => other,
    }
}

/// Returns the expression inside of groups and parentheses.
pub(crate) fn expr(expr: &Expr) -> &Expr {
    match expr {
        Expr::Group(group) => self::expr(&group.expr),
        Expr::Paren(paren) => self::expr(&paren.expr),
        other => other,
    }
}

/// Returns the last name of a path type.
pub(crate) fn last_name(ty: &Type) -> Option<String> {
    named(ty).map(|(name, _)| name)
}

/// Returns the last name of a path type, and the types between its angle brackets.
pub(crate) fn named(ty: &Type) -> Option<(String, Vec<&Type>)> {
    let Type::Path(path) = self::ty(ty) else { return None };
    let last = path.path.segments.last()?;
    let args = match &last.arguments {
        PathArguments::AngleBracketed(args) => args
            .args
            .iter()
            .filter_map(|arg| match arg {
                GenericArgument::Type(arg) => Some(self::ty(arg)),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    Some((last.ident.to_string(), args))
}
