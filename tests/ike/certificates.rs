//! Certificate authorities of a test, made with openssl.

use std::{cell::RefCell, collections::BTreeMap, fs, path::Path, process::Command};

use tempfile::TempDir;
use tests::process::run;

use crate::case::Side;

/// What the certificates of both ends are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// ECDSA with P-256.
    Ecdsa256,
    /// ECDSA with P-384.
    Ecdsa384,
    /// RSA with 2048 bits.
    Rsa,
    /// Ed25519.
    Ed25519,
    /// RSA, three authorities below the root: more than a packet holds.
    LongChain,
    /// Their end's is on its authority's revocation list.
    Revoked,
    /// Their end's has expired.
    Expired,
    /// Their end's is from an authority that nobody here knows.
    Stranger,
    /// Their end's is for another name.
    Misnamed,
}

impl Kind {
    /// Its word in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ecdsa256 => "ecdsa256",
            Self::Ecdsa384 => "ecdsa384",
            Self::Rsa => "rsa",
            Self::Ed25519 => "ed25519",
            Self::LongChain => "long chain",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Stranger => "stranger's",
            Self::Misnamed => "misnamed",
        }
    }

    /// What makes a private key of it.
    fn key(self) -> &'static [&'static str] {
        match self {
            Self::Ecdsa384 => &["EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
            Self::Rsa | Self::LongChain => &["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            Self::Ed25519 => &["ED25519"],
            _ => &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        }
    }

    fn intermediates(self) -> usize {
        match self {
            Self::LongChain => 3,
            Self::Ecdsa384 => 1,
            _ => 0,
        }
    }
}

/// What one end has, all of it in PEM.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Its private key.
    pub key: String,
    /// Its own certificate.
    pub certificate: String,
    /// The authorities from the one that signed it up to the root, without that.
    pub intermediates: Vec<String>,
    /// The root that both ends trust.
    pub root: String,
    /// The root's revocation list.
    pub crl: String,
}

/// All that a run needs, each made when it is asked for first.
pub struct Certificates {
    folder: TempDir,
    made: RefCell<BTreeMap<Kind, [Credential; 2]>>,
}

impl Certificates {
    /// None yet.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { folder, made: RefCell::default() }
    }

    /// What an end has of a kind.
    pub fn of(&self, kind: Kind, side: Side) -> Credential {
        let mut made = self.made.borrow_mut();
        let pair = made.entry(kind).or_insert_with(|| self.make(kind));
        pair[usize::from(side == Side::Theirs)].clone()
    }

    fn make(&self, kind: Kind) -> [Credential; 2] {
        let folder = self.folder.path().join(format!("{kind:?}"));
        fs::create_dir(&folder).expect("a writable folder");
        let shop = Shop { folder: &folder, kind };
        shop.authority("root", None);
        shop.authority("stranger", None);
        let mut issuer = "root".to_owned();
        let mut intermediates = Vec::new();
        for number in 1..=kind.intermediates() {
            let name = format!("intermediate{number}");
            shop.authority(&name, Some(&issuer));
            intermediates.insert(0, shop.read(&format!("{name}.crt")));
            issuer = name;
        }
        shop.end("ours", &issuer, Side::Ours.identity());
        match kind {
            Kind::Expired => shop.expired_end("theirs", Side::Theirs.identity()),
            Kind::Stranger => shop.end("theirs", "stranger", Side::Theirs.identity()),
            Kind::Misnamed => shop.end("theirs", &issuer, "somebody.example"),
            _ => shop.end("theirs", &issuer, Side::Theirs.identity()),
        }
        shop.revocation_list(if kind == Kind::Revoked { Some("theirs") } else { None });
        ["ours", "theirs"].map(|name| Credential {
            key: shop.read(&format!("{name}.key")),
            certificate: shop.read(&format!("{name}.crt")),
            intermediates: intermediates.clone(),
            root: shop.read("root.crt"),
            crl: shop.read("root.crl"),
        })
    }
}

/// A folder of keys and certificates of one kind.
struct Shop<'a> {
    folder: &'a Path,
    kind: Kind,
}

impl Shop<'_> {
    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).expect("a file of openssl's")
    }

    fn openssl(&self, words: &[&str]) {
        run(Command::new("openssl").current_dir(self.folder).args(words));
    }

    fn key(&self, name: &str) {
        let file = format!("{name}.key");
        let words = [&["genpkey", "-out", &file, "-algorithm"], self.kind.key()].concat();
        self.openssl(&words);
    }

    /// A certificate with these extensions, signed by itself or by an issuer.
    fn sign(&self, name: &str, issuer: Option<&str>, extensions: &[&str]) {
        let files = [".key", ".crt"].map(|ending| format!("{name}{ending}"));
        let subject = format!("/O=fastgw test/CN={name}");
        let mut words = vec!["req", "-x509", "-new", "-days", "30", "-subj", &subject];
        words.extend(["-key", &files[0], "-out", &files[1]]);
        let signer = issuer.map(|issuer| [".crt", ".key"].map(|end| format!("{issuer}{end}")));
        if let Some(signer) = &signer {
            words.extend(["-CA", &signer[0], "-CAkey", &signer[1]]);
        }
        for extension in extensions {
            words.extend(["-addext", extension]);
        }
        self.openssl(&words);
    }

    fn authority(&self, name: &str, issuer: Option<&str>) {
        self.key(name);
        let usage = "keyUsage=critical,keyCertSign,cRLSign";
        self.sign(name, issuer, &["basicConstraints=critical,CA:TRUE", usage]);
    }

    fn end(&self, name: &str, issuer: &str, identity: &str) {
        self.key(name);
        let other_name = format!("subjectAltName=DNS:{identity}");
        self.sign(name, Some(issuer), &["basicConstraints=critical,CA:FALSE", &other_name]);
    }

    /// Valid through 2020 only. `openssl req` cannot do that, `openssl ca` can.
    fn expired_end(&self, name: &str, identity: &str) {
        self.key(name);
        let files = [".key", ".csr", ".crt"].map(|ending| format!("{name}{ending}"));
        let subject = format!("/CN={name}");
        self.openssl(&["req", "-new", "-key", &files[0], "-out", &files[1], "-subj", &subject]);
        self.configure_ca(&format!("subjectAltName=DNS:{identity}"), "");
        self.openssl(&[
            "ca",
            "-batch",
            "-config",
            "ca.conf",
            "-in",
            &files[1],
            "-out",
            &files[2],
            "-notext",
            "-startdate",
            "20200101000000Z",
            "-enddate",
            "20210101000000Z",
        ]);
    }

    fn revocation_list(&self, revoked: Option<&str>) {
        let index = revoked.map(|name| {
            let certificate = format!("{name}.crt");
            let mut command = Command::new("openssl");
            command.current_dir(self.folder).args(["x509", "-noout", "-serial", "-in"]);
            let serial = run(command.arg(&certificate));
            let serial = serial.trim().trim_start_matches("serial=").to_owned();
            format!("R\t391231235959Z\t200101000000Z\t{serial}\tunknown\t/CN={name}\n")
        });
        self.configure_ca("", &index.unwrap_or_default());
        self.openssl(&["ca", "-gencrl", "-config", "ca.conf", "-out", "root.crl"]);
    }

    fn configure_ca(&self, extensions: &str, index: &str) {
        let settings = format!(
            "[ca]\ndefault_ca=root\n[root]\nprivate_key=root.key\ncertificate=root.crt\n\
             database=index\nserial=serial\nrand_serial=yes\nnew_certs_dir=.\n\
             default_md=sha256\ndefault_crl_days=30\n\
             policy=any\nx509_extensions=end\ncrl_extensions=list\n[any]\ncommonName=supplied\n\
             [list]\nauthorityKeyIdentifier=keyid\n[end]\n{extensions}\n"
        );
        for (file, text) in [("ca.conf", settings.as_str()), ("index", index)] {
            fs::write(self.folder.join(file), text).expect("a writable folder");
        }
    }
}
