//! Records of every format, with all that their vendors deliver besides, and the places of them that may
//! leave.
//!
//! Invariant: a place that is not listed may never be seen. An element of a list goes by the name it bears.

use serde_json::Value;

use crate::{ai_formats, saas, schema_formats, web_formats};

/// One format.
pub struct Format {
    /// Its name.
    pub name: &'static str,
    /// Topic and folder.
    pub source: &'static str,
    /// Records.
    pub samples: &'static [&'static str],
    /// Places whose text leaves as it is; `PLACE of KEY=VALUE` only in records that say so.
    pub texts: &'static [&'static str],
    /// Places of which a time, number, address, flag or known word leaves, or that only decide.
    pub typed: &'static [&'static str],
}

impl Format {
    /// Is this place read, so that a record needs it as it is?
    pub fn may_stay(&self, record: &Value, path: &str) -> bool {
        let is_text = |pattern: &&str| match pattern.split_once(" of ") {
            Some((pattern, of)) => {
                let (key, value) = of.split_once('=').unwrap_or((of, ""));
                record[key] == value && is_like(pattern, path)
            }
            None => is_like(pattern, path),
        };
        self.is_typed(path) || self.texts.iter().any(is_text)
    }

    /// Is this place read, though its text never leaves?
    pub fn is_typed(&self, path: &str) -> bool {
        self.typed.iter().any(|pattern| is_like(pattern, path))
    }
}

/// `[*]` stands for any element of a list.
fn is_like(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('.'), path.split('.'));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some(part), Some(of)) if part == of => {}
            (Some(part), Some(of)) => {
                let Some(part) = part.strip_suffix("[*]") else {
                    return false;
                };
                if of.split_once('[').map(|(key, _)| key) != Some(part) {
                    return false;
                }
            }
            _ => return false,
        }
    }
}

pub const FORMATS: &[Format] = &[
    OKTA,
    ENTRA,
    M365,
    GOOGLE,
    AWS,
    LITELLM,
    PROXY,
    NIGHTJAR,
    saas::ENTRA_AUDIT,
    saas::GITHUB_AUDIT,
    saas::ONELOGIN,
    saas::AUTH0,
    saas::DUO,
    saas::SLACK,
    saas::BOX,
    saas::DROPBOX,
    saas::ZOOM,
    saas::SNOWFLAKE,
    saas::SALESFORCE,
    saas::NOTION,
    ai_formats::AGENT_OTLP,
    ai_formats::ANTHROPIC_ACTIVITY,
    ai_formats::ANTHROPIC_USAGE,
    ai_formats::AWS_BEDROCK,
    web_formats::CISCO_UMBRELLA,
    ai_formats::CLAUDE_CODE_USAGE,
    schema_formats::ECS,
    web_formats::NETSKOPE,
    schema_formats::OCSF,
    ai_formats::OPENAI_AUDIT,
    ai_formats::OPENAI_USAGE,
    ai_formats::OTEL_GENAI,
    web_formats::PALO_ALTO,
    schema_formats::SENTINEL_TABLE,
    web_formats::SQUID,
    web_formats::ZSCALER,
];

const OKTA: Format = Format {
    name: "okta",
    source: "okta",
    samples: &[
        r#"{"actor":{"id":"00u1","type":"User","alternateId":"ana@example.com","displayName":"Ana","detailEntry":null},"client":{"userAgent":{"rawUserAgent":"Mozilla/5.0","os":"Windows 11","browser":"CHROME"},"zone":"Berlin","device":"Computer","id":null,"ipAddress":"203.0.113.10","geographicalContext":{"city":"Berlin","state":"Land Berlin","country":"Germany","postalCode":"10117","geolocation":{"lat":52.5,"lon":13.4}}},"device":{"id":"guo1","name":"nb-ana","managed":true},"authenticationContext":{"credentialType":"PASSWORD","externalSessionId":"102s","rootSessionId":"102r"},"displayMessage":"User login to Okta","eventType":"user.session.start","outcome":{"result":"FAILURE","reason":"INVALID_CREDENTIALS"},"published":"2026-03-02T10:00:00.000Z","securityContext":{"asNumber":64510,"asOrg":"example","isp":"example","domain":"example.com","isProxy":false},"debugContext":{"debugData":{"requestUri":"/idp/idx/identify","url":"/idp/idx/identify?q=1","deviceFingerprint":"c219","dtHash":"b9ed","behaviors":"{}"}},"legacyEventType":"core.user_auth.login_failed","transaction":{"type":"WEB","id":"t1","detail":{"requestApiTokenId":"x"}},"uuid":"16-okta-1","request":{"ipChain":[{"ip":"203.0.113.10","version":"V4","source":null}]},"target":[{"id":"00p1","type":"AuthenticatorEnrollment","alternateId":"unknown","displayName":"Password","detailEntry":{"x":"y"}}]}"#,
        r#"{"actor":{"id":"00u1","type":"User","alternateId":"ana@example.com","displayName":"Ana"},"client":{"device":"Computer","ipAddress":"203.0.113.10"},"eventType":"user.authentication.sso","outcome":{"result":"SUCCESS"},"published":"2026-03-02T10:00:01.000Z","uuid":"16-okta-2","debugContext":{"debugData":{"initiationType":"SP","samlAttributes":"x"}},"target":[{"id":"0oa1","type":"AppInstance","alternateId":"Wiki","displayName":"Wiki"},{"id":"0ua1","type":"AppUser","alternateId":"ana@example.com","displayName":"Ana"}]}"#,
        r#"{"actor":{"id":"00u1","type":"User","alternateId":"ana@example.com","displayName":"Ana"},"client":{"device":"Computer","ipAddress":"203.0.113.10"},"eventType":"user.account.privilege.grant","outcome":{"result":"SUCCESS"},"published":"2026-03-02T10:00:02.000Z","uuid":"16-okta-3","debugContext":{"debugData":{"privilegeGranted":"Super administrator"}},"target":[{"id":"00u2","type":"User","alternateId":"ben@example.com","displayName":"Ben"}]}"#,
    ],
    texts: &[
        "uuid",
        "actor.alternateId",
        "actor.id",
        "client.geographicalContext.city",
        "client.geographicalContext.state",
        "device.id",
        "debugContext.debugData.deviceFingerprint",
        "debugContext.debugData.dtHash",
        "debugContext.debugData.privilegeGranted",
        "debugContext.debugData.privilegeRevoked",
        "debugContext.debugData.factor",
        "debugContext.debugData.grantedScopes",
        "debugContext.debugData.scopes",
        "target[ROLE].displayName",
        "target[UserGroup].displayName",
        "target[AuthenticatorEnrollment].displayName",
        "target[Authenticator].displayName",
        "authenticationContext.externalSessionId",
        "target[AppInstance].displayName",
        "target[User].alternateId",
    ],
    typed: &[
        "published",
        "eventType",
        "actor.type",
        // A password typed into the user name: an address leaves as it is, anything else as a hash.
        "actor.alternateId",
        "outcome.result",
        "client.ipAddress",
        "client.geographicalContext.country",
        "client.geographicalContext.geolocation.lat",
        "client.geographicalContext.geolocation.lon",
        "securityContext.asNumber",
        "securityContext.isProxy",
        "device.managed",
        "target[*].type",
    ],
};

const ENTRA: Format = Format {
    name: "entra_signin",
    source: "entra",
    samples: &[
        r#"{"time":"2026-03-02T10:00:00.1234567Z","resourceId":"/tenants/6f1d/providers/Microsoft.aadiam","operationName":"Sign-in activity","category":"SignInLogs","tenantId":"6f1d","resultType":"50126","resultSignature":"FAILURE","resultDescription":"Error validating credentials","durationMs":0,"callerIpAddress":"198.51.100.7","correlationId":"6a0e","identity":"Ana","location":"DE","properties":{"id":"96f3","createdDateTime":"2026-03-02T10:00:00.1234567Z","userDisplayName":"Ana","userPrincipalName":"ana@example.com","userId":"11a1","appId":"1fec","appDisplayName":"Microsoft Teams","ipAddress":"198.51.100.7","status":{"errorCode":50126,"failureReason":"bad password","additionalDetails":"x"},"clientAppUsed":"Browser","userAgent":"Mozilla/5.0","deviceDetail":{"deviceId":"71ea","displayName":"nb-ana","operatingSystem":"Windows11","browser":"Edge","isCompliant":true,"isManaged":true,"trustType":"x"},"location":{"city":"Munich","state":"Bavaria","countryOrRegion":"DE","geoCoordinates":{"latitude":48.1,"longitude":11.5}},"isInteractive":true,"authenticationDetails":[{"authenticationMethod":"Password","authenticationStepResultDetail":"x"}],"resourceDisplayName":"Microsoft Teams","authenticationRequirement":"multiFactorAuthentication","autonomousSystemNumber":64499,"uniqueTokenIdentifier":"f2c8","userType":"Member"}}"#,
        r#"{"id":"97f3","createdDateTime":"2026-03-02T10:00:01Z","userDisplayName":"Ana","userPrincipalName":"ana@example.com","userId":"11a1","appDisplayName":"Wiki","ipAddress":"198.51.100.7","isInteractive":false,"status":{"errorCode":0,"failureReason":"Other.","additionalDetails":null},"deviceDetail":{"deviceId":"71ea","displayName":"nb-ana","isManaged":false},"location":{"city":"Munich","state":"Bavaria","countryOrRegion":"DE","geoCoordinates":{"latitude":48.1,"longitude":11.5}},"appliedConditionalAccessPolicies":[{"displayName":"x"}]}"#,
    ],
    texts: &[
        "id",
        "userPrincipalName",
        "userId",
        "appDisplayName",
        "resourceDisplayName",
        "location.city",
        "location.state",
        "deviceDetail.deviceId",
        "properties.id",
        "properties.userPrincipalName",
        "properties.userId",
        "properties.appDisplayName",
        "properties.resourceDisplayName",
        "properties.location.city",
        "properties.location.state",
        "properties.deviceDetail.deviceId",
    ],
    typed: &[
        "time",
        "createdDateTime",
        "category",
        "resultType",
        "callerIpAddress",
        "ipAddress",
        "location",
        "location.countryOrRegion",
        "location.geoCoordinates.latitude",
        "location.geoCoordinates.longitude",
        "isInteractive",
        "status.errorCode",
        "deviceDetail.isManaged",
        "properties.createdDateTime",
        "properties.ipAddress",
        "properties.status.errorCode",
        "properties.location.countryOrRegion",
        "properties.location.geoCoordinates.latitude",
        "properties.location.geoCoordinates.longitude",
        "properties.deviceDetail.isManaged",
        "properties.isInteractive",
        "properties.authenticationRequirement",
        "properties.autonomousSystemNumber",
    ],
};

const M365: Format = Format {
    name: "m365_audit",
    source: "m365",
    samples: &[
        r#"{"AppAccessContext":{"AADSessionId":"4019","ClientAppName":"SharePoint","CorrelationId":"4d90","UniqueTokenId":"u"},"CreationTime":"2026-03-02T10:00:00","Id":"416a","Operation":"FileDownloaded","OrganizationId":"6f1d","RecordType":6,"UserKey":"i:0h.f|membership|1003@live.com","UserType":0,"Workload":"SharePoint","ClientIP":"203.0.113.10","UserId":"ana@example.com","EventSource":"SharePoint","IsManagedDevice":true,"ItemType":"File","Site":"5384","UserAgent":"Mozilla/5.0","FileSizeBytes":27454,"SourceFileExtension":"pdf","SiteUrl":"https://example.sharepoint.com/sites/finance","SourceRelativeUrl":"Shared Documents/2023","SourceFileName":"minutes.pdf","ApplicationDisplayName":"SharePoint Online","ObjectId":"https://example.sharepoint.com/sites/finance/minutes.pdf"}"#,
        r#"{"CreationTime":"2026-03-02T10:00:01","Id":"417a","Operation":"CopilotInteraction","OrganizationId":"6f1d","RecordType":261,"UserKey":"k","UserType":0,"Version":1,"Workload":"Copilot","ClientIP":"203.0.113.10","UserId":"ana@example.com","AppIdentity":"Copilot.M365Copilot.Word","ClientRegion":"DE","CopilotEventData":{"AISystemPlugin":[{"Id":"BingWebSearch","Name":"BingWebSearch"}],"AccessedResources":[{"Id":"https://example.sharepoint.com/a.docx","Name":"a.docx","SiteUrl":"https://example.sharepoint.com","Type":"docx","SensitivityLabelId":"label-1","Action":"Read"}],"AppHost":"Word","Contexts":[{"Id":"https://example.sharepoint.com/b.docx","Type":"docx"}],"MessageIds":[],"Messages":[{"Id":"1715","isPrompt":true,"JailbreakDetected":false}],"ThreadId":"19:t@thread.v2"}}"#,
        r#"{"CreationTime":"2026-03-02T10:00:02","Id":"418a","Operation":"UserLoginFailed","RecordType":15,"ResultStatus":"Failed","UserType":0,"Workload":"AzureActiveDirectory","ClientIP":"[2001:db8::1]:443","UserId":"ana@example.com","UserKey":"k","LogonError":"InvalidUserNameOrPassword","ExtendedProperties":[{"Name":"RequestType","Value":"OAuth2:Authorize"},{"Name":"UserAgent","Value":"Mozilla/5.0"}],"DeviceProperties":[{"Name":"Id","Value":"71ea"},{"Name":"DisplayName","Value":"nb-ana"},{"Name":"SessionId","Value":"s-1"}],"Actor":[{"ID":"ana@example.com","Type":5}],"Target":[{"ID":"0000","Type":0}]}"#,
        r#"{"CreationTime":"2026-03-02T10:00:03","Id":"419a","Operation":"New-InboxRule","RecordType":1,"ResultStatus":"True","Workload":"Exchange","ClientIP":"203.0.113.10:51234","UserId":"ana@example.com","UserType":2,"MailboxOwnerUPN":"ben@example.com","Parameters":[{"Name":"SubjectContainsWords","Value":"invoice"},{"Name":"ForwardTo","Value":"eve@example.net"},{"Name":"BodyContainsWords","Value":"salary"}]}"#,
        r#"{"CreationTime":"2026-03-02T10:00:04","Id":"420a","Operation":"Send","RecordType":2,"ResultStatus":"Succeeded","Workload":"Exchange","ClientIPAddress":"203.0.113.10","UserId":"ana@example.com","UserType":0,"Item":{"Subject":"salaries","Attachments":"a.xlsx (12b)","InternetMessageId":"m","ParentFolder":{"Path":"\\Sent Items"}}}"#,
    ],
    texts: &[
        "Id",
        "UserId",
        "Workload",
        "ApplicationDisplayName",
        "AppAccessContext.AADSessionId",
        "CopilotEventData.ThreadId",
        "CopilotEventData.AccessedResources[*].SensitivityLabelId",
        "DeviceProperties[Id].Value",
        "DeviceProperties[SessionId].Value",
        "MailboxOwnerUPN",
        // What is granted, to whom, and where mail is sent.
        "ModifiedProperties[Role_DisplayName].NewValue",
        "ModifiedProperties[ConsentAction_Permissions].NewValue",
        "Target[*].ID",
        // Of files it is their address, of the directory's records an account.
        "ObjectId of Workload=AzureActiveDirectory",
        "Parameters[ForwardTo].Value",
        "Parameters[ForwardingSmtpAddress].Value",
    ],
    typed: &[
        "CreationTime",
        "Operation",
        "RecordType",
        "ResultStatus",
        "UserType",
        "ClientIP",
        "ClientIPAddress",
        "IsManagedDevice",
        "FileSizeBytes",
        "UserAgent",
        "ExtendedProperties[RequestType].Value",
        "ExtendedProperties[*].Name",
        "DeviceProperties[*].Name",
        "Parameters[*].Name",
        "Target[*].Type",
        "ModifiedProperties[*].Name",
    ],
};

const GOOGLE: Format = Format {
    name: "google_workspace",
    source: "google",
    samples: &[
        r#"{"kind":"admin#reports#activity","id":{"time":"2026-03-02T10:00:00.569Z","uniqueQualifier":"7556","applicationName":"drive","customerId":"C03x"},"etag":"e","actor":{"callerType":"USER","email":"ana@example.com","profileId":"1087"},"ipAddress":"198.51.100.8","events":[{"type":"access","name":"download","parameters":[{"name":"primary_event","boolValue":true},{"name":"owner","value":"Shared drive"},{"name":"doc_id","value":"1f31"},{"name":"doc_title","value":"offer-0009"},{"name":"visibility","value":"shared_internally"}]},{"type":"access","name":"view","parameters":[{"name":"doc_id","value":"1f32"},{"name":"doc_title","value":"offer-0010"}]}]}"#,
        r#"{"kind":"admin#reports#activity","id":{"time":"2026-03-02T10:00:01.569Z","uniqueQualifier":"7557","applicationName":"login"},"actor":{"email":"ana@example.com","profileId":"1087"},"ipAddress":"198.51.100.8","events":[{"type":"login","name":"login_success","parameters":[{"name":"login_type","value":"google_password"},{"name":"login_challenge_method","multiValue":["password"]},{"name":"is_suspicious","boolValue":false},{"name":"is_second_factor","boolValue":true}]}]}"#,
        r#"{"id":{"time":"2026-03-02T10:00:02.569Z","uniqueQualifier":"7558","applicationName":"gemini_in_workspace_apps"},"actor":{"email":"ana@example.com"},"ipAddress":"198.51.100.8","name":"feature_utilization","type":"gemini","parameters":{"action":"summarize","app_name":"docs","feature_source":"side_panel","prompt_text":"hello"}}"#,
    ],
    texts: &[
        "id.uniqueQualifier",
        "id.applicationName",
        "actor.email",
        // Who it was where no address is given.
        "actor.profileId",
        "parameters.app_name",
        "events[*].parameters[app_name].value",
        "events[*].parameters[scope].value",
        "events[*].parameters[USER_EMAIL].value",
        "events[*].parameters[ROLE_NAME].value",
        "events[*].parameters[email_forwarding_destination_address].value",
    ],
    typed: &[
        "id.time",
        "ipAddress",
        "actor.callerType",
        "name",
        "events[*].name",
        "events[*].parameters[*].name",
        "events[*].parameters[is_second_factor].boolValue",
    ],
};

const AWS: Format = Format {
    name: "aws_cloudtrail",
    source: "aws",
    samples: &[
        r#"{"eventVersion":"1.11","userIdentity":{"type":"AssumedRole","principalId":"AROA:ana@example.com","arn":"arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Dev_4f1c/ana@example.com","accountId":"111122223333","accessKeyId":"ASIA1","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROA","arn":"arn:aws:iam::111122223333:role/Dev","accountId":"111122223333","userName":"Dev"},"attributes":{"creationDate":"2026-03-02T09:00:00Z","mfaAuthenticated":"false"}}},"eventTime":"2026-03-02T10:00:00Z","eventSource":"s3.amazonaws.com","eventName":"GetObject","awsRegion":"eu-central-1","sourceIPAddress":"203.0.113.10","userAgent":"Boto3","requestParameters":{"bucketName":"example-warehouse","Host":"example.s3.amazonaws.com","key":"salaries/2026.parquet"},"responseElements":null,"additionalEventData":{"SignatureVersion":"SigV4","bytesTransferredIn":0,"x-amz-id-2":"x","bytesTransferredOut":21136},"requestID":"967F","eventID":"c04e-1","readOnly":true,"resources":[{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::example-warehouse/salaries/2026.parquet"},{"accountId":"111122223333","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::example-warehouse"}],"eventType":"AwsApiCall"}"#,
        r#"{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","principalId":"AIDA","arn":"arn:aws:iam::111122223333:user/ana","accountId":"111122223333","userName":"ana"},"eventTime":"2026-03-02T10:00:01Z","eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","sourceIPAddress":"203.0.113.10","userAgent":"Mozilla/5.0","errorMessage":"Failed authentication","responseElements":{"ConsoleLogin":"Failure"},"additionalEventData":{"LoginTo":"https://console.aws.amazon.com/console/home","MobileVersion":"No","MFAUsed":"Yes"},"eventID":"c04e-2","eventType":"AwsConsoleSignIn"}"#,
        r#"{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/ana","userName":"ana"},"eventTime":"2026-03-02T10:00:02Z","eventSource":"bedrock.amazonaws.com","eventName":"InvokeModel","sourceIPAddress":"203.0.113.10","requestParameters":{"modelId":"anthropic.claude","body":"hello","system":"be kind","inferenceConfig":{"stopSequences":["x"]}},"responseElements":{"output":{"message":"hello"}},"eventID":"c04e-3"}"#,
        r#"{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/ana","userName":"ana"},"eventTime":"2026-03-02T10:00:03Z","eventSource":"iam.amazonaws.com","eventName":"CreateLoginProfile","sourceIPAddress":"203.0.113.10","requestParameters":{"userName":"ben","password":"secret","passwordResetRequired":false},"responseElements":{"loginProfile":{"userName":"ben"}},"errorCode":"AccessDenied","errorMessage":"denied","eventID":"c04e-4"}"#,
    ],
    texts: &[
        "eventID",
        "eventSource",
        "userIdentity.arn",
        "userIdentity.userName",
        "userIdentity.accessKeyId",
        "userIdentity.sessionContext.sessionIssuer.arn",
        "requestParameters.modelId",
        "requestParameters.userName",
        // What is granted or switched off.
        "requestParameters.name",
        "requestParameters.trailName",
        "requestParameters.policyArn",
        "requestParameters.policyName",
        "requestParameters.roleName",
        "requestParameters.roleArn",
        "requestParameters.groupName",
    ],
    typed: &[
        "eventTime",
        "eventName",
        "eventVersion",
        "userIdentity.type",
        "userIdentity.sessionContext.attributes.mfaAuthenticated",
        "sourceIPAddress",
        "errorCode",
        "responseElements.ConsoleLogin",
        "additionalEventData.MFAUsed",
        "additionalEventData.bytesTransferredIn",
        "additionalEventData.bytesTransferredOut",
        "resources[*].type",
    ],
};

const LITELLM: Format = Format {
    name: "litellm",
    source: "litellm",
    samples: &[
        r#"{"request_id":"chatcmpl-1","call_type":"acompletion","api_key":"d17f","spend":0.01,"total_tokens":2873,"prompt_tokens":2280,"completion_tokens":593,"startTime":"2026-03-02T10:00:00.698Z","endTime":"2026-03-02T10:00:07.514Z","completionStartTime":"2026-03-02T10:00:01Z","model":"mistral/mistral-large","model_id":"ddc4","model_group":"mistral-large","custom_llm_provider":"mistral","api_base":"https://models.example.com/v1/","user":"ana@example.com","metadata":{"user_api_key":"d17f","user_api_key_alias":"ana-key","user_api_key_team_id":"sales","user_api_key_user_id":"ana@example.com","spend_logs_metadata":{"note":"x"},"requester_ip_address":"203.0.113.10","applied_guardrails":["x"],"status":"success","usage_object":{"prompt_tokens":2280,"completion_tokens":593,"total_tokens":2873},"error_information":{"error_message":"x","traceback":"x"}},"cache_hit":"False","cache_key":"k","request_tags":["User-Agent: x"],"team_id":"sales","end_user":"","requester_ip_address":"203.0.113.10","messages":[{"role":"user","content":"hello"}],"response":{"choices":[{"message":{"content":"hello"}}]},"proxy_server_request":{"messages":[{"content":"hello"}]},"session_id":"s-1","status":"success"}"#,
    ],
    texts: &[
        "request_id",
        "model",
        "model_group",
        "user",
        "session_id",
        "metadata.user_api_key_alias",
        "metadata.user_api_key_user_id",
    ],
    typed: &[
        "startTime",
        "call_type",
        "total_tokens",
        "prompt_tokens",
        "completion_tokens",
        "requester_ip_address",
        "status",
        "metadata.requester_ip_address",
        "metadata.status",
    ],
};

const PROXY: Format = Format {
    name: "web_proxy",
    source: "proxy",
    samples: &[
        r#"{"time":"2026-03-02T10:00:00.681Z","id":"99ae","user":"ana@example.com","src":"10.20.0.8","device_name":"mac-ana","method":"POST","url":"https://chatgpt.com/backend-api/conversation?q=hello","host":"chatgpt.com","referer":"https://example.com/","category":"generative-ai","status":200,"action":"allowed","bytes_out":1955,"bytes_in":9848,"policy":"default","user_agent":"Mozilla/5.0","post_data":"hello","filename":"a.docx"}"#,
        r#"{"time":"2026-03-02T10:00:01.681Z","id":"99af","user":"ana@example.com","src":"10.20.0.8","url":"https://wiki.example.com/salaries?q=hello","host":"wiki.example.com","action":"allowed","bytes_out":1,"cookies":"x"}"#,
    ],
    texts: &["id", "user"],
    typed: &["time", "src", "host", "action", "bytes_out"],
};

const NIGHTJAR: Format = Format {
    name: "nightjar",
    source: "nightjar",
    samples: &[
        r#"{"time":"2026-03-02T10:00:00.925Z","uid":"cb-1","activity":"download","outcome":"success","user":"ana@example.com","target_user":"ben@example.com","is_admin":false,"interactive":true,"mfa":true,"device_managed":true,"ip":"203.0.113.10","country":"DE","region":"Berlin","city":"Berlin","lat":52.5,"lon":13.4,"radius_km":10,"asn":64510,"network":"corporate","device":"c219","app":"casebook","object":"salaries.xlsx","kind":"person","count":1,"bytes":189611,"tokens":5,"model":"m","sensitivity":"public","session":"800f","method":"export","reason":"other","comment":"hello","title":"salaries","url":"https://example.com/a"}"#,
    ],
    texts: &[
        "uid",
        "user",
        "target_user",
        "region",
        "city",
        "device",
        "app",
        "model",
        "sensitivity",
        "session",
    ],
    typed: &[
        "time",
        "method",
        "reason",
        "activity",
        "outcome",
        "is_admin",
        "interactive",
        "mfa",
        "device_managed",
        "ip",
        "country",
        "lat",
        "lon",
        "radius_km",
        "asn",
        "network",
        "kind",
        "count",
        "bytes",
        "tokens",
    ],
};
