//! The numbers of IKE messages with their names, as IANA's "IKEv2 Parameters" and RFC 2407, 2408
//! have them. Fields keep the bare number, so what is unknown survives.

/// A module of constants of one registry, with `name`, which finds the name of a number.
macro_rules! registry {
    ($(#[$about:meta])* $module:ident: $kind:ty { $($name:ident = $value:literal,)* }) => {
        $(#[$about])*
        pub mod $module {
            $(
                #[doc = concat!("Number ", stringify!($value), ".")]
                pub const $name: $kind = $value;
            )*

            /// What the registry calls this number.
            #[must_use]
            pub const fn name(number: $kind) -> Option<&'static str> {
                match number {
                    $($value => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

registry! {
    /// Exchange types (RFC 7296 section 3.1, RFC 2408 section 3.1).
    exchange: u8 {
        MAIN_MODE = 2,
        AUTHENTICATION_ONLY = 3,
        AGGRESSIVE = 4,
        INFORMATIONAL_V1 = 5,
        TRANSACTION = 6,
        QUICK_MODE = 32,
        NEW_GROUP_MODE = 33,
        IKE_SA_INIT = 34,
        IKE_AUTH = 35,
        CREATE_CHILD_SA = 36,
        INFORMATIONAL = 37,
        IKE_SESSION_RESUME = 38,
        IKE_INTERMEDIATE = 43,
        IKE_FOLLOWUP_KE = 44,
    }
}

registry! {
    /// Payload types of IKEv2 (RFC 7296 section 3.2), and below 33 those of IKEv1.
    payload: u8 {
        V1_SA = 1,
        V1_PROPOSAL = 2,
        V1_TRANSFORM = 3,
        V1_KE = 4,
        V1_ID = 5,
        V1_CERT = 6,
        V1_CERTREQ = 7,
        V1_HASH = 8,
        V1_SIGNATURE = 9,
        V1_NONCE = 10,
        V1_NOTIFY = 11,
        V1_DELETE = 12,
        V1_VENDOR_ID = 13,
        V1_NAT_D = 20,
        V1_NAT_OA = 21,
        SA = 33,
        KE = 34,
        IDI = 35,
        IDR = 36,
        CERT = 37,
        CERTREQ = 38,
        AUTH = 39,
        NONCE = 40,
        NOTIFY = 41,
        DELETE = 42,
        VENDOR_ID = 43,
        TSI = 44,
        TSR = 45,
        ENCRYPTED = 46,
        CONFIGURATION = 47,
        EAP = 48,
        FRAGMENT = 53,
        V1_NAT_D_DRAFT = 130,
        V1_NAT_OA_DRAFT = 131,
    }
}

registry! {
    /// Notify message types of IKEv2 (RFC 7296 section 3.10.1 and the extensions we know).
    notify: u16 {
        UNSUPPORTED_CRITICAL_PAYLOAD = 1,
        INVALID_IKE_SPI = 4,
        INVALID_MAJOR_VERSION = 5,
        INVALID_SYNTAX = 7,
        INVALID_MESSAGE_ID = 9,
        INVALID_SPI = 11,
        NO_PROPOSAL_CHOSEN = 14,
        INVALID_KE_PAYLOAD = 17,
        AUTHENTICATION_FAILED = 24,
        SINGLE_PAIR_REQUIRED = 34,
        NO_ADDITIONAL_SAS = 35,
        INTERNAL_ADDRESS_FAILURE = 36,
        FAILED_CP_REQUIRED = 37,
        TS_UNACCEPTABLE = 38,
        INVALID_SELECTORS = 39,
        UNACCEPTABLE_ADDRESSES = 40,
        UNEXPECTED_NAT_DETECTED = 41,
        TEMPORARY_FAILURE = 43,
        CHILD_SA_NOT_FOUND = 44,
        STATE_NOT_FOUND = 47,
        TS_MAX_QUEUE = 48,
        INITIAL_CONTACT = 16384,
        SET_WINDOW_SIZE = 16385,
        ADDITIONAL_TS_POSSIBLE = 16386,
        IPCOMP_SUPPORTED = 16387,
        NAT_DETECTION_SOURCE_IP = 16388,
        NAT_DETECTION_DESTINATION_IP = 16389,
        COOKIE = 16390,
        USE_TRANSPORT_MODE = 16391,
        HTTP_CERT_LOOKUP_SUPPORTED = 16392,
        REKEY_SA = 16393,
        ESP_TFC_PADDING_NOT_SUPPORTED = 16394,
        NON_FIRST_FRAGMENTS_ALSO = 16395,
        MOBIKE_SUPPORTED = 16396,
        ADDITIONAL_IP4_ADDRESS = 16397,
        ADDITIONAL_IP6_ADDRESS = 16398,
        NO_ADDITIONAL_ADDRESSES = 16399,
        UPDATE_SA_ADDRESSES = 16400,
        COOKIE2 = 16401,
        NO_NATS_ALLOWED = 16402,
        AUTH_LIFETIME = 16403,
        MULTIPLE_AUTH_SUPPORTED = 16404,
        REDIRECT_SUPPORTED = 16406,
        REDIRECT = 16407,
        EAP_ONLY_AUTHENTICATION = 16417,
        CHILDLESS_IKEV2_SUPPORTED = 16418,
        QUICK_CRASH_DETECTION = 16419,
        IKEV2_MESSAGE_ID_SYNC_SUPPORTED = 16420,
        IKEV2_FRAGMENTATION_SUPPORTED = 16430,
        SIGNATURE_HASH_ALGORITHMS = 16431,
        USE_PPK = 16435,
        PPK_IDENTITY = 16436,
        NO_PPK_AUTH = 16437,
        INTERMEDIATE_EXCHANGE_SUPPORTED = 16438,
        ADDITIONAL_KEY_EXCHANGE = 16441,
        SA_RESOURCE_INFO = 16444,
    }
}

registry! {
    /// Notify message types of IKEv1 (RFC 2408 section 3.14.1, RFC 2407 section 4.6.3, RFC 3706).
    notify_v1: u16 {
        INVALID_PAYLOAD_TYPE = 1,
        DOI_NOT_SUPPORTED = 2,
        SITUATION_NOT_SUPPORTED = 3,
        INVALID_COOKIE = 4,
        INVALID_MAJOR_VERSION = 5,
        INVALID_MINOR_VERSION = 6,
        INVALID_EXCHANGE_TYPE = 7,
        INVALID_FLAGS = 8,
        INVALID_MESSAGE_ID = 9,
        INVALID_PROTOCOL_ID = 10,
        INVALID_SPI = 11,
        INVALID_TRANSFORM_ID = 12,
        ATTRIBUTES_NOT_SUPPORTED = 13,
        NO_PROPOSAL_CHOSEN = 14,
        BAD_PROPOSAL_SYNTAX = 15,
        PAYLOAD_MALFORMED = 16,
        INVALID_KEY_INFORMATION = 17,
        INVALID_ID_INFORMATION = 18,
        INVALID_CERT_ENCODING = 19,
        INVALID_CERTIFICATE = 20,
        CERT_TYPE_UNSUPPORTED = 21,
        INVALID_CERT_AUTHORITY = 22,
        INVALID_HASH_INFORMATION = 23,
        AUTHENTICATION_FAILED = 24,
        INVALID_SIGNATURE = 25,
        ADDRESS_NOTIFICATION = 26,
        NOTIFY_SA_LIFETIME = 27,
        CERTIFICATE_UNAVAILABLE = 28,
        UNSUPPORTED_EXCHANGE_TYPE = 29,
        UNEQUAL_PAYLOAD_LENGTHS = 30,
        CONNECTED = 16384,
        RESPONDER_LIFETIME = 24576,
        REPLAY_STATUS = 24577,
        INITIAL_CONTACT = 24578,
        R_U_THERE = 36136,
        R_U_THERE_ACK = 36137,
    }
}

registry! {
    /// Security protocols (RFC 7296 section 3.3.1); IKEv1 has ISAKMP for IKE.
    protocol: u8 {
        IKE = 1,
        AH = 2,
        ESP = 3,
    }
}

registry! {
    /// Transform types of IKEv2 (RFC 7296 section 3.3.2, RFC 9370).
    transform: u8 {
        ENCRYPTION = 1,
        PRF = 2,
        INTEGRITY = 3,
        KEY_EXCHANGE = 4,
        SEQUENCE_NUMBERS = 5,
        ADDITIONAL_KEY_EXCHANGE_1 = 6,
        ADDITIONAL_KEY_EXCHANGE_7 = 12,
    }
}

registry! {
    /// Types of identification (RFC 7296 section 3.5, RFC 2407 section 4.6.2.1).
    identification: u8 {
        IPV4_ADDR = 1,
        FQDN = 2,
        RFC822_ADDR = 3,
        IPV4_ADDR_SUBNET = 4,
        IPV6_ADDR = 5,
        IPV6_ADDR_SUBNET = 6,
        IPV4_ADDR_RANGE = 7,
        IPV6_ADDR_RANGE = 8,
        DER_ASN1_DN = 9,
        DER_ASN1_GN = 10,
        KEY_ID = 11,
    }
}

registry! {
    /// Certificate encodings (RFC 7296 section 3.6).
    certificate: u8 {
        PKCS7_X509 = 1,
        X509_SIGNATURE = 4,
        CRL = 7,
        HASH_AND_URL = 12,
    }
}

registry! {
    /// Methods of authentication of IKEv2 (RFC 7296 section 3.8, RFC 4754, RFC 7427).
    auth_method: u8 {
        RSA = 1,
        SHARED_KEY = 2,
        ECDSA_256 = 9,
        ECDSA_384 = 10,
        ECDSA_521 = 11,
        NULL = 13,
        DIGITAL_SIGNATURE = 14,
    }
}
