//! Who a peer and we are, and how each proves it.

use std::{net::IpAddr, ops::Range, sync::Arc};

use ike::{
    cert::{Credential, TrustAnchors},
    identity::{Identity, IdentityPattern},
    policy::{LocalAuth, RemoteAuth},
};
use toml::Spanned;
use zeroize::Zeroizing;

use super::{
    Surroundings, secrets,
    secrets::{Secrets, Use},
    value::choice,
};
use crate::{
    findings::Findings,
    private_file::{self, FILE_PREFIX, Wanted},
    schema,
    section::{Field, KeyText, Words},
    spelling::shown,
};

const PEM_LEN_MAX: u64 = 4 << 20;

const CERTIFICATE: Wanted = Wanted {
    what: "certificate",
    holds: "our certificate in PEM, and those that lead to an authority behind it",
    len_max: PEM_LEN_MAX,
    secret: false,
};

const PRIVATE_KEY: Wanted =
    Wanted { what: "private key", holds: "one private key in PEM", len_max: 1 << 16, secret: true };

const AUTHORITIES: Wanted = Wanted {
    what: "authority",
    holds: "certificates of authorities in PEM",
    len_max: PEM_LEN_MAX,
    secret: false,
};

const CRL: Wanted = Wanted {
    what: "revocation list",
    holds: "revocation lists in PEM",
    len_max: 64 << 20,
    secret: false,
};

/// What the rest of a section says that matters here.
pub(super) struct Ends<'a> {
    pub(super) name: &'a Spanned<String>,
    pub(super) at: Range<usize>,
    pub(super) local: Option<IpAddr>,
    /// The peer's address, if it has one.
    pub(super) fixed: Option<IpAddr>,
}

/// Both identities and their proofs.
pub(super) struct Auth {
    pub(super) local_identity: Identity,
    pub(super) remote_identity: IdentityPattern,
    pub(super) local_auth: LocalAuth,
    pub(super) remote_auth: RemoteAuth,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Psk,
    Certificate,
}

/// `None` after an error.
pub(super) fn resolve(
    mut section: schema::Ike,
    ends: &Ends<'_>,
    secrets: &mut Secrets,
    surroundings: Surroundings<'_>,
    found: &mut Findings,
) -> Option<Auth> {
    let [local, remote] = methods(&mut section, found)?;
    check_unused(&section, [local, remote], found);
    let psk = match local == Method::Psk || remote == Method::Psk {
        true => {
            let field = section.psk.take();
            Some(Arc::new(secrets.find(field, Use::Psk, ends.name, surroundings, found)?))
        }
        false => None,
    };
    let local_auth = match (local, &psk) {
        (Method::Psk, Some(psk)) => Some(LocalAuth::Psk(Arc::clone(psk))),
        _ => {
            let files = (section.certificate.take(), section.private_key.take());
            credential(files, ends.at.clone(), secrets, surroundings, found)
                .map(|credential| LocalAuth::Certificate(Arc::new(credential)))
        }
    };
    let remote_auth = match (remote, psk) {
        (Method::Psk, Some(psk)) => Some(RemoteAuth::Psk(psk)),
        _ => {
            let (authorities, crls) = (section.authorities.take(), section.crls.take());
            anchors(authorities, crls, ends.at.clone(), surroundings, found)
                .map(|anchors| RemoteAuth::Certificate(Arc::new(anchors)))
        }
    };
    let subject = match &local_auth {
        Some(LocalAuth::Certificate(credential)) => Some(credential.certificate()),
        Some(LocalAuth::Psk(_)) | None => None,
    };
    let local_identity = local_identity(section.local_id, subject, local, ends, found);
    let remote_identity = remote_identity(section.remote_id, remote, ends, found);
    Some(Auth {
        local_identity: local_identity?,
        remote_identity: remote_identity?,
        local_auth: local_auth?,
        remote_auth: remote_auth?,
    })
}

/// Ours and the peer's.
fn methods(section: &mut schema::Ike, found: &mut Findings) -> Option<[Method; 2]> {
    let words =
        [("psk", Method::Psk), ("certificate", Method::Certificate), ("cert", Method::Certificate)];
    let mut method = |field: &mut Field<String>, key| {
        let given = !field.is_absent();
        let method = choice(field.take().optional(), key, &words, found);
        if given { method.map(Some) } else { Some(None) }
    };
    let both = method(&mut section.auth, "auth");
    let local = method(&mut section.local_auth, "local_auth");
    let remote = method(&mut section.remote_auth, "remote_auth");
    // What is there says what is meant.
    let implied = match section.certificate.is_absent() && section.authorities.is_absent() {
        true => Method::Psk,
        false => Method::Certificate,
    };
    let both = both?.unwrap_or(implied);
    Some([local?.unwrap_or(both), remote?.unwrap_or(both)])
}

/// Reports keys for a method that neither end uses.
fn check_unused(section: &schema::Ike, [local, remote]: [Method; 2], found: &mut Findings) {
    let mut refuse = |at: Option<Range<usize>>, key: &str, used: bool, help: &str| {
        if let Some(at) = at.filter(|_| !used) {
            let error = found.error(at, format!("`{key}` is not used"));
            found.push(error.label("nobody is authenticated by it").help(help));
        }
    };
    let psk = local == Method::Psk || remote == Method::Psk;
    let ours = local == Method::Certificate;
    let theirs = remote == Method::Certificate;
    refuse(section.psk.span(), "psk", psk, "remove this line, or write `auth = \"psk\"`");
    let help = "remove this line, or write `local_auth = \"certificate\"`";
    refuse(section.certificate.span(), "certificate", ours, help);
    refuse(section.private_key.span(), "private_key", ours, help);
    let help = "remove this line, or write `remote_auth = \"certificate\"`";
    refuse(section.authorities.span(), "authorities", theirs, help);
    refuse(section.crls.span(), "crls", theirs, help);
}

fn credential(
    (certificate, private_key): (Field<String>, Field<KeyText>),
    at: Range<usize>,
    secrets: &mut Secrets,
    surroundings: Surroundings<'_>,
    found: &mut Findings,
) -> Option<Credential> {
    let certificate = certificate.required(at.clone(), found);
    let key = private_key.required(at, found);
    let (certificate, key) = (certificate?, key?);
    let text = key.get_ref().0.as_str();
    let Some(key_name) = text.strip_prefix(FILE_PREFIX).or(is_pem(text).then_some(text)) else {
        let error = found.error(key.span(), "`private_key` does not name a file");
        let error = error.label("it does not begin with `file:`");
        found.push(error.help("write `private_key = \"file:NAME\"`, the key in PEM"));
        return None;
    };
    if is_pem(text) {
        secrets.note_inline(key.span());
    }
    let chain = pem(certificate.get_ref(), certificate.span(), CERTIFICATE, surroundings, found);
    let private = pem(key_name, key.span(), PRIVATE_KEY, surroundings, found);
    match Credential::from_pem(&private?, &chain?) {
        Ok(credential) => Some(credential),
        Err(unusable) => {
            let error = found.error(certificate.span(), "certificate and private key do not do");
            let error = error.label(unusable.0).also(key.span(), "the private key");
            found.push(error.help("name files in PEM that belong together"));
            None
        }
    }
}

fn anchors(
    authorities: Field<Words>,
    crls: Field<Words>,
    at: Range<usize>,
    surroundings: Surroundings<'_>,
    found: &mut Findings,
) -> Option<TrustAnchors> {
    let authorities = authorities.required(at, found);
    let refused = !crls.is_absent() && crls.span().is_none();
    let crls = crls.optional();
    let mut all = |words: Words, wanted| {
        let mut text = Vec::new();
        let mut sound = true;
        for word in &words.0 {
            match pem(word.get_ref(), word.span(), wanted, surroundings, found) {
                Some(bytes) => {
                    text.extend_from_slice(&bytes);
                    text.push(b'\n');
                }
                None => sound = false,
            }
        }
        sound.then_some(text)
    };
    let authorities = authorities?;
    let at = authorities.span();
    let anchors = all(authorities.into_inner(), AUTHORITIES);
    let lists = match crls {
        Some(crls) => all(crls.into_inner(), CRL),
        None => (!refused).then(Vec::new),
    };
    match TrustAnchors::from_pem(&anchors?, &lists?) {
        Ok(anchors) => Some(anchors),
        Err(unusable) => {
            let error = found.error(at, "these authorities do not do").label(unusable.0);
            found.push(error.help("name files in PEM, as `openssl x509` writes them"));
            None
        }
    }
}

/// Whether a value is no name but what a file would hold.
fn is_pem(text: &str) -> bool {
    text.trim_start().starts_with("-----BEGIN ")
}

/// What stands in the file of this name, or in its place.
fn pem(
    name: &str,
    at: Range<usize>,
    wanted: Wanted,
    surroundings: Surroundings<'_>,
    found: &mut Findings,
) -> Option<Zeroizing<Vec<u8>>> {
    if is_pem(name) {
        return Some(Zeroizing::new(name.as_bytes().to_vec()));
    }
    match private_file::read(&secrets::path_of(name, surroundings), name, wanted) {
        Ok(bytes) => Some(bytes),
        Err(trouble) => {
            secrets::report(trouble, at, found);
            None
        }
    }
}

/// As written, or the certificate's subject, or our address.
fn local_identity(
    field: Field<String>,
    certificate: Option<&ike::cert::Certificate>,
    method: Method,
    ends: &Ends<'_>,
    found: &mut Findings,
) -> Option<Identity> {
    if field.is_absent() {
        return match (method, certificate, ends.local) {
            (Method::Certificate, certificate, _) => certificate.map(|it| it.subject().clone()),
            (Method::Psk, _, Some(local)) => Some(of_address(local)),
            (Method::Psk, _, None) => field.required(ends.at.clone(), found).and(None),
        };
    }
    let value = field.optional()?;
    let identity = match value.get_ref().parse::<Identity>() {
        Ok(identity) => identity,
        Err(error) => return refuse_identity(&value, "local_id", error.0, found),
    };
    if let Some(certificate) = certificate.filter(|certificate| !certificate.names(&identity)) {
        let title = format!("our certificate does not name {}", shown(value.get_ref()));
        let error = found.error(value.span(), title).label("peers would not believe it");
        let subject = certificate.subject();
        found.push(error.help(format!("write a name that is in it, such as `{subject}`")));
        return None;
    }
    Some(identity)
}

/// As written, or the peer's address, or whoever knows the secret.
fn remote_identity(
    field: Field<String>,
    method: Method,
    ends: &Ends<'_>,
    found: &mut Findings,
) -> Option<IdentityPattern> {
    if field.is_absent() {
        return match (method, ends.fixed) {
            // Everyone whom an authority knows would be let in.
            (Method::Certificate, _) => field.required(ends.at.clone(), found).and(None),
            (Method::Psk, Some(fixed)) => Some(IdentityPattern::from(of_address(fixed))),
            (Method::Psk, None) => Some(IdentityPattern::ANY),
        };
    }
    let value = field.optional()?;
    match value.get_ref().parse() {
        Ok(pattern) => Some(pattern),
        Err(error) => refuse_identity(&value, "remote_id", error.0, found),
    }
}

fn refuse_identity<T>(
    value: &Spanned<String>,
    key: &str,
    why: String,
    found: &mut Findings,
) -> Option<T> {
    let title = format!("{} is not an identity", shown(value.get_ref()));
    let help = format!(
        "write an address, a name, a mail address or a distinguished name: \
         `{key} = \"b.example.org\"`"
    );
    found.push(found.error(value.span(), title).label(why).help(help));
    None
}

fn of_address(address: IpAddr) -> Identity {
    match address {
        IpAddr::V4(address) => Identity::Ipv4(address),
        IpAddr::V6(address) => Identity::Ipv6(address),
    }
}
