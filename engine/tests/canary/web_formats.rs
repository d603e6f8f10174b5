//! The canary's records of proxies and gateways, and the places of them that may leave.
//!
//! Invariant: as in `formats.rs`, a place that is not listed may never be seen.

use crate::formats::Format;

/// Cisco Umbrella web and DNS activity.
pub const CISCO_UMBRELLA: Format = Format {
    name: "cisco_umbrella",
    source: "cisco_umbrella",
    samples: &[
        r#"{"categories":[{"id":1,"label":"Generative AI","type":"content"}],"datalossprevention":{"state":""},"externalip":"203.0.113.10","identities":[{"deleted":false,"id":1,"label":"Ana Keller (Ana@Example.com)","type":{"id":7,"label":"AD Users","type":"directory_user"}}],"internalip":"10.20.0.8","policy":{"ruleid":1},"requestsize":1955,"responsesize":9848,"statuscode":200,"timestamp":1772445600000,"type":"proxy","url":"https://chatgpt.com/backend?q=hello","useragent":"Mozilla/5.0","verdict":"allowed"}"#,
        r#"{"domain":"chatgpt.com","externalip":"203.0.113.10","identities":[{"id":2,"label":"HQ","type":{"type":"network"}}],"internalip":"10.20.0.8","querytype":"A","returncode":0,"timestamp":1772445601000,"type":"dns","verdict":"allowed"}"#,
        r#"{"action":"Blocked","domain":"Chat.Tool.Example.","externalIp":"203.0.113.10","identities":["Ben (ben@example.com)","HQ"],"internalIp":"10.20.0.8","policyIdentity":"Ben (ben@example.com)","responseCode":"NOERROR","timestamp":"2026-03-02 10:00:02.000"}"#,
    ],
    texts: &[
        "datalossprevention.state",
        "identities[].label",
        "identities[]",
        "policyIdentity",
    ],
    typed: &[
        "externalip",
        "internalip",
        "requestsize",
        "timestamp",
        "url",
        "verdict",
        "domain",
        "action",
        "externalIp",
        "internalIp",
    ],
};

/// Netskope page, application, alert and audit events.
pub const NETSKOPE: Format = Format {
    name: "netskope",
    source: "netskope",
    samples: &[
        r#"{"_id":"n-1","_insertion_epoch_timestamp":1772445660,"access_method":"Client","app":"Tool Chat","app_session_id":55,"appcategory":"Generative AI","browser":"Edge","browser_session_id":77,"ccl":"medium","client_bytes":1955,"device":"Windows Device","device_classification":"managed","domain":"chatgpt.com","dst_country":"US","hostname":"chatgpt.com","managed_app":"no","nsdeviceuid":"7AE1","numbytes":11803,"os":"Windows 11","page":"chatgpt.com","req_cnt":3,"server_bytes":9848,"site":"Tool","src_country":"DE","src_latitude":52.52,"src_location":"Berlin","src_longitude":13.405,"src_region":"Land Berlin","srcip":"203.0.113.10","timestamp":1772445600,"traffic_type":"CloudApp","type":"connection","ur_normalized":"ana@example.com","url":"chatgpt.com/backend?q=hello","user":"Ana@Example.com","userip":"10.20.0.8","userkey":"ana@example.com"}"#,
        r#"{"_id":"n-3","_insertion_epoch_timestamp":1772445660,"access_method":"Client","action":"block","activity":"Upload","alert":"yes","alert_type":"DLP","app":"Tool Chat","app_session_id":55,"appcategory":"Generative AI","browser":"Edge","browser_session_id":77,"ccl":"medium","device":"Windows Device","device_classification":"managed","dlp_profile":"PII","dlp_rule":"IBAN","domain":"chatgpt.com","dst_country":"US","file_size":4096,"hostname":"chatgpt.com","managed_app":"no","nsdeviceuid":"7AE1","numbytes":11803,"object":"salaries.xlsx","object_type":"File","os":"Windows 11","page":"chatgpt.com","policy":"x","req_cnt":3,"site":"Tool","src_country":"DE","src_latitude":52.52,"src_location":"Berlin","src_longitude":13.405,"src_region":"Land Berlin","srcip":"203.0.113.10","timestamp":1772445600,"traffic_type":"CloudApp","type":"nspolicy","ur_normalized":"ana@example.com","url":"chatgpt.com/backend?q=hello","user":"Ana@Example.com","userip":"10.20.0.8","userkey":"ana@example.com"}"#,
        r#"{"_id":"n-7","_insertion_epoch_timestamp":1772445660,"access_method":"Client","activity":"Share","alert":"no","app":"Box","app_session_id":55,"appcategory":"Cloud Storage","browser":"Edge","browser_session_id":77,"ccl":"medium","device":"Windows Device","device_classification":"managed","domain":"app.box.com","dst_country":"US","file_size":4096,"hostname":"app.box.com","managed_app":"no","nsdeviceuid":"7AE1","numbytes":11803,"object":"salaries.xlsx","object_type":"File","os":"Windows 11","page":"chatgpt.com","policy":"x","req_cnt":3,"site":"Box","src_country":"DE","src_latitude":52.52,"src_location":"Berlin","src_longitude":13.405,"src_region":"Land Berlin","srcip":"203.0.113.10","timestamp":1772445600,"to_user":"eve@example.net","traffic_type":"CloudApp","type":"nspolicy","ur_normalized":"ana@example.com","url":"app.box.com/x","user":"Ana@Example.com","userip":"10.20.0.8","userkey":"ana@example.com"}"#,
        r#"{"_id":"n-8","_insertion_epoch_timestamp":1772445660,"access_method":"Client","activity":"Login Failed","alert":"no","app":"Salesforce","app_session_id":55,"appcategory":"CRM","browser":"Edge","browser_session_id":77,"ccl":"medium","device":"Windows Device","device_classification":"managed","domain":"login.example.com","dst_country":"US","hostname":"login.example.com","managed_app":"no","nsdeviceuid":"7AE1","numbytes":11803,"object_type":"File","os":"Windows 11","page":"chatgpt.com","policy":"x","req_cnt":3,"site":"x","src_country":"DE","src_latitude":52.52,"src_location":"Berlin","src_longitude":13.405,"src_region":"Land Berlin","srcip":"203.0.113.10","timestamp":1772445600,"traffic_type":"CloudApp","type":"nspolicy","ur_normalized":"ana@example.com","url":"login.example.com","user":"Ana@Example.com","userip":"10.20.0.8","userkey":"ana@example.com"}"#,
    ],
    texts: &[
        "_id",
        "app",
        "app_session_id",
        "browser_session_id",
        "nsdeviceuid",
        "src_location",
        "src_region",
        "ur_normalized",
        "user",
        "userkey",
        "dlp_profile",
        "dlp_rule",
        "to_user",
    ],
    typed: &[
        "_insertion_epoch_timestamp",
        "access_method",
        "appcategory",
        "ccl",
        "client_bytes",
        "device_classification",
        "domain",
        "hostname",
        "site",
        "src_country",
        "src_latitude",
        "src_longitude",
        "srcip",
        "timestamp",
        "traffic_type",
        "url",
        "userip",
        "action",
        "activity",
        "file_size",
        "object",
    ],
};

/// Palo Alto Networks firewall and GlobalProtect logs as JSON.
pub const PALO_ALTO: Format = Format {
    name: "palo_alto",
    source: "palo_alto",
    samples: &[
        r#"{"Action":"alert","Application":"ssl","DestinationAddress":"198.51.100.3","DeviceSN":"0071","LogTime":"2026-03-02T10:00:05.000000Z","LogType":"THREAT","Rule":"web","SourceAddress":"10.20.0.8","SourceDeviceHost":"nb-ana","SourceUser":"example\\Ana","Subtype":"url","TimeGenerated":"2026-03-02T10:00:00.000000Z","URL":"chatgpt.com/backend?q=hello","URLCategory":"artificial-intelligence","VendorName":"Palo Alto Networks"}"#,
        r#"{"AuthMethod":"SAML","EndpointDeviceName":"nb-ana","EventID":"gateway-auth","EventStatus":"success","HostID":"71ea","LogType":"GLOBALPROTECT","PrivateIPv4":"0.0.0.0","PublicIPv4":"203.0.113.10","SourceRegion":"DE","SourceUserName":"ana@example.com","Stage":"login","TimeGenerated":"2026-03-02T10:00:00Z","VendorName":"Palo Alto Networks"}"#,
    ],
    texts: &["SourceDeviceHost", "SourceUser", "HostID", "SourceUserName"],
    typed: &[
        "Action",
        "Application",
        "LogTime",
        "LogType",
        "SourceAddress",
        "Subtype",
        "TimeGenerated",
        "URL",
        "VendorName",
        "EventID",
        "EventStatus",
        "PublicIPv4",
        "SourceRegion",
    ],
};

/// Squid access log as JSON.
pub const SQUID: Format = Format {
    name: "squid",
    source: "squid",
    samples: &[
        r#"{"client_ip":"10.20.0.8","content_type":"-","hierarchy":"HIER_DIRECT/198.51.100.3","method":"CONNECT","request_size":1955,"result_code":"TCP_TUNNEL/200","size":9848,"timestamp":"2026-03-02T10:00:00Z","url":"chatgpt.com:443","user":"ana@example.com"}"#,
        r#"{"client_ip":"10.20.0.8","content_type":"-","hierarchy":"HIER_DIRECT/198.51.100.3","http_status":407,"method":"CONNECT","request_size":1955,"result_code":"TCP_MISS","size":9848,"timestamp":"2026-03-02T10:00:00Z","url":"chatgpt.com:443","user":"-"}"#,
        r#"{"bytes_out":"700","ident":"BEN@example.com","request_url":"https://chatgpt.com/v1?q=hello","squid_request_status":"TCP_MISS/200","src_ip":"10.20.0.9","ts":1772445600.25}"#,
    ],
    texts: &["user", "ident"],
    typed: &[
        "client_ip",
        "request_size",
        "result_code",
        "timestamp",
        "url",
        "http_status",
        "bytes_out",
        "request_url",
        "squid_request_status",
        "src_ip",
        "ts",
    ],
};

/// Zscaler web and audit log (NSS as JSON).
pub const ZSCALER: Format = Format {
    name: "zscaler",
    source: "zscaler",
    samples: &[
        r#"{"ClientIP":"10.20.0.8","action":"Allowed","appclass":"AI & ML Applications","appname":"Tool","clientpublicIP":"203.0.113.10","datetime":"2026-03-02 10:00:00","department":"Sales","devicehostname":"nb-ana","deviceowner":"ana","dlpdictionaries":"None","dlpengine":"None","event_id":"7081","filetype":"None","hostname":"chatgpt.com","location":"HQ","product":"NSS","protocol":"HTTPS","reason":"Allowed","refererURL":"None","requestmethod":"POST","requestsize":"1955","responsesize":"9848","serverip":"198.51.100.3","status":"200","threatcategory":"None","transactionsize":"12000","url":"chatgpt.com/backend?q=hello","urlcategory":"AI & ML Applications","urlclass":"Business Use","urlsupercategory":"Information Technology","user":"Ana@Example.com","useragent":"Mozilla/5.0","vendor":"Zscaler"}"#,
        r#"{"action":"SIGN_IN","adminid":"Root@Example.com","auditlogtype":"ZIA","category":"LOGIN","clientip":"203.0.113.10","errorcode":"None","interface":"UI","postaction":{"name":"hello"},"preaction":{},"recordid":"31","resource":"None","result":"SUCCESS","subcategory":"LOGIN","time":"2026-03-02 10:00:00"}"#,
    ],
    texts: &[
        "appname",
        "devicehostname",
        "dlpdictionaries",
        "dlpengine",
        "event_id",
        "user",
        "adminid",
        "recordid",
        "resource",
    ],
    typed: &[
        "ClientIP",
        "action",
        "appclass",
        "clientpublicIP",
        "datetime",
        "hostname",
        "product",
        "requestsize",
        "url",
        "urlcategory",
        "urlsupercategory",
        "vendor",
        "auditlogtype",
        "category",
        "clientip",
        "interface",
        "result",
        "time",
    ],
};
