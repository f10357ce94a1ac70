//! How OSPF packets prove where they come from.

use ospf::msg::auth::{Algorithm, Authentication, Key, Keys};
use toml::Spanned;

use super::{
    Surroundings,
    secrets::{Secrets, Use},
    value::{Unique, choice, number},
};
use crate::{findings::Findings, schema};

/// Bytes of a password that OSPF carries (RFC 2328 appendix D.2), and of a key that MD5 takes.
const PASSWORD_LEN_MAX: usize = 8;
const MD5_KEY_LEN_MAX: usize = 16;

/// `None` is without any, or wrong.
pub(super) fn resolve(
    mut section: schema::OspfInterface,
    name: &Spanned<String>,
    secrets: &mut Secrets,
    surroundings: Surroundings<'_>,
    found: &mut Findings,
) -> Option<Authentication> {
    let keys_at = section.keys.span();
    let password_at = section.password.span();
    if let (Some(first), Some(second)) = (&password_at, &keys_at) {
        let error = found.error(second.clone(), "packets carry a password or a digest");
        let error = error.label("not both").also(first.clone(), "a password");
        found.push(error.help("remove `password`: whoever sees a packet can read it"));
    }
    if let Some(at) = password_at {
        let field = section.password.take();
        let secret = secrets.find(field, Use::Ospf, name, surroundings, found)?;
        if secret.len() > PASSWORD_LEN_MAX {
            let error = found.error(at.clone(), "the password is too long");
            let error = error.label(format!("more than {PASSWORD_LEN_MAX} bytes"));
            found.push(error.help("OSPF carries 8 bytes of it: write no more"));
        }
        let warning = found.warning(at, "a password is readable in every packet");
        let warning = warning.label("whoever sees a packet can read it");
        found.push(warning.help("use [[ospf.interface.key]] if the neighbours can"));
        return Some(Authentication::Simple(secret));
    }
    let mut unique = Unique::new();
    let mut keys = Vec::new();
    for section in super::sections(section.keys.take()).0 {
        keys.extend(key(section, name, &mut unique, secrets, surroundings, found));
    }
    Keys::new(keys).map(Authentication::Cryptographic)
}

fn key(
    section: Spanned<schema::OspfKey>,
    name: &Spanned<String>,
    unique: &mut Unique<u8>,
    secrets: &mut Secrets,
    surroundings: Surroundings<'_>,
    found: &mut Findings,
) -> Option<Key> {
    let at = section.span();
    let mut section = section.into_inner();
    let id = section.id.take().required(at.clone(), found);
    let id: Option<u8> = number(id, "id", 1..=255, "", found);
    let algorithms = [
        ("hmac-sha256", Algorithm::HmacSha256),
        ("hmac-sha384", Algorithm::HmacSha384),
        ("hmac-sha512", Algorithm::HmacSha512),
        ("hmac-sha1", Algorithm::HmacSha1),
        ("md5", Algorithm::Md5),
    ];
    let given = section.algorithm.span();
    let algorithm = choice(section.algorithm.take().optional(), "algorithm", &algorithms, found);
    let algorithm = if given.is_some() { algorithm } else { Some(Algorithm::HmacSha256) };
    let secret_at = section.secret.span().unwrap_or(at.clone());
    let secret = secrets.find(section.secret.take(), Use::Ospf, name, surroundings, found);
    let (id, algorithm, secret) = (id?, algorithm?, secret?);
    if let Err(first) = unique.take(id, at.clone()) {
        let error = found.error(at, format!("two keys have the ID {id}")).label("taken");
        found.push(error.also(first, "first used here").help("give each key an ID of its own"));
    }
    if algorithm == Algorithm::Md5 {
        if secret.len() > MD5_KEY_LEN_MAX {
            let error = found.error(secret_at, "the key is too long for MD5");
            let error = error.label(format!("more than {MD5_KEY_LEN_MAX} bytes"));
            found.push(error.help("MD5 takes 16 bytes of it: write no more"));
        }
        let warning = found.warning(given.unwrap_or(0..0), "MD5 is weak");
        let warning = warning.label("keyed MD5 (RFC 2328) is no longer recommended");
        found.push(warning.help("write `algorithm = \"hmac-sha256\"` if the neighbours can"));
    }
    Some(Key { id, algorithm, secret, accept: None, generate: None })
}
