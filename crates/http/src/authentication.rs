//! How the sender of a request is known.

/// How the sender of a request is known. Its texts may hold placeholders of secrets, and should
/// hold nothing secret themselves: they are part of the plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Authentication {
    /// Not at all.
    #[default]
    None,
    /// A name and a password.
    Basic {
        /// The name.
        username: String,
        /// The password.
        password: String,
    },
    /// A token.
    Bearer {
        /// The token.
        token: String,
    },
    /// A token that is fetched with OAuth 2's client credentials (RFC 6749, section 4.4), kept
    /// until it expires or is refused.
    OAuth2(OAuth2),
}

/// Where a token comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth2 {
    /// The endpoint that gives tokens.
    pub token_url: String,
    /// The client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// What is asked for.
    pub scopes: Vec<String>,
}
