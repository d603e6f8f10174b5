//! What the detectors of identities need: how a login, a factor, a role, a rule or a log was dealt with, and
//! why somebody was refused. Each line is a record cut down to what decides, and what its row must say.

use serde_json::{Value, json};

use crate::one_row;

/// A record and the columns of its row that the story is about; null where the row must say nothing.
type Story = (Value, Value);

fn tell(stories: &[Story]) {
    for (record, expected) in stories {
        let row = one_row(record);
        for (column, value) in expected.as_object().expect("columns") {
            assert_eq!(&row[column], value, "{column} of {row}, from {record}");
        }
    }
}

/// Lays one record over another.
fn over(base: &Value, more: Value) -> Value {
    let mut record = base.clone();
    for (key, value) in more.as_object().expect("an object") {
        record[key] = value.clone();
    }
    record
}

#[test]
fn entra_tells_wrong_passwords_from_controls_that_held() {
    let base = json!({
        "category": "SignInLogs", "time": "2026-03-02T10:00:00Z", "correlationId": "c-1",
        "properties": { "userPrincipalName": "ana@example.com" }
    });
    let signin = |properties: Value| {
        let mut record = base.clone();
        for (key, value) in properties.as_object().expect("an object") {
            record["properties"][key] = value.clone();
        }
        record
    };
    let code = |code: u32| signin(json!({ "status": { "errorCode": code } }));
    let prompt = |detail: &str| {
        signin(json!({ "status": { "errorCode": 500121, "additionalDetails": detail } }))
    };
    let challenge = |reason: &str| json!({ "activity": "mfa_challenge", "outcome": "failure", "reason": reason, "session": "c-1" });
    tell(&[
        (code(0), json!({ "activity": "login", "reason": null })),
        (
            code(50126),
            json!({ "activity": "login", "outcome": "failure", "reason": "bad_password" }),
        ),
        (code(50034), json!({ "reason": "unknown_user" })),
        (code(50053), json!({ "reason": "locked" })),
        (code(50055), json!({ "reason": "expired_password" })),
        (
            code(50074),
            json!({ "outcome": "unknown", "reason": "mfa_required" }),
        ),
        (code(50076), json!({ "reason": "mfa_required" })),
        (
            code(53003),
            json!({ "outcome": "failure", "reason": "blocked" }),
        ),
        (code(50140), json!({ "outcome": "unknown", "reason": null })),
        (
            code(999),
            json!({ "outcome": "failure", "reason": "other" }),
        ),
        (
            prompt("MFA denied; user declined the authentication"),
            challenge("mfa_denied"),
        ),
        (
            prompt("MFA denied; user did not respond to mobile app notification"),
            challenge("mfa_timeout"),
        ),
        (prompt("MFA denied; fraud code entered"), challenge("fraud")),
        (prompt("Authentication failed"), challenge("mfa_failed")),
        (
            signin(
                json!({ "status": { "errorCode": 500121 }, "authenticationDetails": [
                { "succeeded": true, "authenticationStepResultDetail": "Correct password" },
                { "succeeded": false, "authenticationStepResultDetail": "MFA denied; user declined the authentication" }
            ] }),
            ),
            challenge("mfa_denied"),
        ),
    ]);
}

#[test]
fn entra_tells_how_somebody_came_in() {
    let login = |properties: Value| json!({ "category": "SignInLogs", "time": "2026-03-02T10:00:00Z", "resultType": "0", "properties": properties });
    let method = |word: Value| json!({ "activity": "login", "method": word });
    tell(&[
        (
            login(json!({ "authenticationProtocol": "deviceCode" })),
            method(json!("device_code")),
        ),
        (
            login(json!({ "authenticationProtocol": "ropc" })),
            method(json!("legacy")),
        ),
        (
            login(json!({ "clientAppUsed": "IMAP4" })),
            method(json!("legacy")),
        ),
        (
            login(json!({ "clientAppUsed": "Browser" })),
            method(Value::Null),
        ),
        (
            login(json!({ "incomingTokenType": "saml20" })),
            method(json!("federated")),
        ),
        (
            login(json!({ "incomingTokenType": "primaryRefreshToken" })),
            method(json!("token")),
        ),
    ]);
}

fn entra_audit(activity: &str, targets: Value) -> Value {
    json!({
        "activityDateTime": "2026-03-02T10:00:00Z", "activityDisplayName": activity, "loggedByService": "Core Directory",
        "result": "success", "initiatedBy": { "user": { "userPrincipalName": "admin@example.com" } }, "targetResources": targets
    })
}

#[test]
fn a_role_is_named_without_quotes_and_an_activation_is_no_assignment() {
    let ana = json!([{ "type": "User", "userPrincipalName": "Ana@Example.com", "modifiedProperties": [
        { "displayName": "Role.DisplayName", "newValue": "\"Global Administrator\"" }
    ] }]);
    let grant = |activity: &str, method: &str| {
        (
            entra_audit(activity, ana.clone()),
            json!({
                "activity": "role_grant", "method": method,
                "object": "Global Administrator", "target_user": "ana@example.com"
            }),
        )
    };
    tell(&[
        grant("Add member to role", "assigned"),
        grant(
            "Add member to role in PIM completed (permanent)",
            "assigned",
        ),
        grant(
            "Add eligible member to role in PIM completed (timebound)",
            "eligible",
        ),
        grant("Add member to role completed (PIM activation)", "activated"),
        grant("Remove member from role", "removed"),
        (
            entra_audit("Add member to role requested (PIM activation)", ana.clone()),
            json!({ "activity": "other", "method": null }),
        ),
    ]);
}

#[test]
fn a_consent_names_the_application_its_scopes_and_for_whom() {
    let consent = |is_admin: &str| {
        let permissions = "\"[] => [[Id: x, ClientId: y, ConsentType: Principal, Scope:  Mail.Read offline_access, CreatedDateTime: , LastModifiedDateTime ]]; \"";
        let targets = json!([{ "type": "ServicePrincipal", "displayName": "Mail Archiver", "modifiedProperties": [
            { "displayName": "ConsentContext.IsAdminConsent", "newValue": is_admin },
            { "displayName": "ConsentAction.Permissions", "newValue": permissions }
        ] }]);
        entra_audit("Consent to application", targets)
    };
    let says = |method: &str| {
        json!({
            "activity": "app_consent", "app": "Mail Archiver",
            "object": "Mail.Read offline_access", "method": method
        })
    };
    let secret = json!([{ "type": "ServicePrincipal", "displayName": "Payroll" }]);
    tell(&[
        (consent("\"True\""), says("admin")),
        (consent("\"False\""), says("user")),
        (
            entra_audit("Add service principal credentials", secret.clone()),
            json!({ "activity": "app_consent", "app": "Payroll", "method": "credential" }),
        ),
        (
            entra_audit(
                "Update application – Certificates and secrets management ",
                secret,
            ),
            json!({ "activity": "app_consent", "method": "credential" }),
        ),
    ]);
}

#[test]
fn a_rule_of_a_mailbox_forwards_hides_or_does_neither() {
    let rule = |operation: &str, parameters: Value| {
        json!({
            "CreationTime": "2026-03-02T10:00:00", "Operation": operation, "Workload": "Exchange", "RecordType": 1,
            "UserId": "ana@example.com", "ObjectId": "ana\\rule", "Parameters": parameters
        })
    };
    let one = |name: &str, value: &str| json!([{ "Name": name, "Value": value }]);
    let says = |method: Value| json!({ "activity": "mailbox_rule", "method": method });
    let forward =
        json!({ "activity": "mailbox_rule", "method": "forward", "object": "x@example.net" });
    let update = |actions: &str| {
        let mut record = rule("UpdateInboxRules", json!([]));
        record["OperationProperties"] = json!([
            { "Name": "RuleOperation", "Value": "AddMailboxRule" }, { "Name": "RuleActions", "Value": actions }
        ]);
        record
    };
    tell(&[
        (
            rule("New-InboxRule", one("ForwardTo", "x@example.net")),
            forward.clone(),
        ),
        (
            rule(
                "New-InboxRule",
                one("RedirectTo", "\"X\" [SMTP:x@example.net]"),
            ),
            forward.clone(),
        ),
        (
            rule(
                "Set-Mailbox",
                one("ForwardingSmtpAddress", "smtp:x@example.net"),
            ),
            forward,
        ),
        (
            rule("Set-Mailbox", one("ForwardingSmtpAddress", "")),
            says(Value::Null),
        ),
        (
            rule("New-InboxRule", one("DeleteMessage", "True")),
            says(json!("hide")),
        ),
        (
            rule("New-InboxRule", one("MoveToFolder", "RSS Feeds")),
            says(json!("hide")),
        ),
        (
            rule("New-InboxRule", one("MarkAsRead", "True")),
            says(json!("hide")),
        ),
        (
            rule("New-InboxRule", one("MarkAsRead", "False")),
            says(Value::Null),
        ),
        (
            update("[{\"ActionType\":\"Forward\"}]"),
            says(json!("forward")),
        ),
        (update("[{\"ActionType\":\"Delete\"}]"), says(json!("hide"))),
    ]);
}

#[test]
fn an_audit_log_that_is_switched_off_is_told_from_one_that_is_switched_on() {
    let exchange = |operation: &str, name: &str, value: &str| {
        json!({
            "CreationTime": "2026-03-02T10:00:00", "Operation": operation, "Workload": "Exchange", "RecordType": 1,
            "UserId": "admin@example.com", "Parameters": [{ "Name": name, "Value": value }]
        })
    };
    let trail = |name: &str, request: Value| {
        json!({
            "eventTime": "2026-03-02T10:00:00Z", "eventSource": "cloudtrail.amazonaws.com", "eventName": name, "eventVersion": "1",
            "userIdentity": { "type": "IAMUser", "userName": "ana" }, "requestParameters": request
        })
    };
    let says = |method: Value| json!({ "activity": "audit_change", "method": method });
    tell(&[
        (
            exchange(
                "Set-AdminAuditLogConfig",
                "UnifiedAuditLogIngestionEnabled",
                "False",
            ),
            says(json!("disabled")),
        ),
        (
            exchange(
                "Set-AdminAuditLogConfig",
                "UnifiedAuditLogIngestionEnabled",
                "True",
            ),
            says(json!("enabled")),
        ),
        (
            exchange("Set-Mailbox", "AuditEnabled", "False"),
            says(json!("disabled")),
        ),
        (
            exchange(
                "Set-MailboxAuditBypassAssociation",
                "AuditBypassEnabled",
                "True",
            ),
            says(json!("disabled")),
        ),
        (
            trail("StopLogging", json!({ "name": "t" })),
            says(json!("disabled")),
        ),
        (
            trail("StartLogging", json!({ "name": "t" })),
            says(json!("enabled")),
        ),
        (
            trail(
                "PutEventSelectors",
                json!({ "eventSelectors": [{ "includeManagementEvents": false }] }),
            ),
            says(json!("disabled")),
        ),
        (
            trail(
                "PutEventSelectors",
                json!({ "eventSelectors": [{ "includeManagementEvents": true, "readWriteType": "All" }] }),
            ),
            says(Value::Null),
        ),
        (
            trail("UpdateTrail", json!({ "isMultiRegionTrail": false })),
            says(json!("disabled")),
        ),
    ]);
}

#[test]
fn prompts_of_okta_and_duo_say_what_became_of_them() {
    let okta = json!({
        "actor": { "id": "00u1", "type": "User", "alternateId": "ana@example.com" }, "published": "2026-03-02T10:00:00Z",
        "eventType": "user.authentication.auth_via_mfa", "transaction": { "id": "t-1" },
        "authenticationContext": { "externalSessionId": "s-1" }, "outcome": { "result": "FAILURE", "reason": "INVALID_CREDENTIALS" }
    });
    let challenge = |session: &str, reason: &str| json!({ "activity": "mfa_challenge", "outcome": "failure", "session": session, "reason": reason });
    let push = |answer: &str| {
        over(
            &okta,
            json!({ "debugContext": { "debugData": { "pushOnlyResponseType": answer } } }),
        )
    };
    let duo = |result: &str, reason: &str| {
        json!({
            "timestamp": 1772445600, "event_type": "authentication", "factor": "duo_push", "txid": "d-1",
            "result": result, "reason": reason, "user": { "name": "ana@example.com" }
        })
    };
    tell(&[
        (okta.clone(), challenge("t-1", "mfa_failed")),
        (push("OV_RESPONSE_DENY"), challenge("t-1", "mfa_denied")),
        (
            over(
                &okta,
                json!({ "eventType": "user.mfa.okta_verify.deny_push", "outcome": { "result": "SUCCESS" } }),
            ),
            challenge("t-1", "mfa_denied"),
        ),
        (
            over(&okta, json!({ "eventType": "user.session.start" })),
            json!({ "activity": "login", "session": "s-1", "reason": "bad_password" }),
        ),
        (duo("fraud", "user_marked_fraud"), challenge("d-1", "fraud")),
        (
            duo("denied", "user_marked_fraud"),
            challenge("d-1", "fraud"),
        ),
        (
            duo("denied", "user_mistake"),
            challenge("d-1", "mfa_denied"),
        ),
        (
            duo("denied", "no_response"),
            challenge("d-1", "mfa_timeout"),
        ),
        (
            duo("denied", "endpoint_is_not_trusted"),
            challenge("d-1", "blocked"),
        ),
        (
            duo("success", "user_approved"),
            json!({ "outcome": "success", "reason": null }),
        ),
    ]);
}

#[test]
fn everything_at_once_is_an_export_and_a_link_for_all_is_public() {
    let google = |application: &str, name: &str, parameters: Value| {
        json!({
            "id": { "time": "2026-03-02T10:00:00Z", "applicationName": application }, "actor": { "email": "ana@example.com" },
            "events": [{ "name": name, "parameters": parameters }]
        })
    };
    let visibility = |change: &str, visibility: &str| json!([{ "name": "visibility_change", "value": change }, { "name": "visibility", "value": visibility }]);
    let share = |method: Value| json!({ "activity": "share", "method": method });
    tell(&[
        (
            google("takeout", "DOWNLOADED_USER_TAKEOUT", json!([])),
            json!({ "activity": "download", "method": "export" }),
        ),
        (
            google(
                "drive",
                "change_document_visibility",
                visibility("external", "people_with_link"),
            ),
            share(json!("public")),
        ),
        (
            google(
                "drive",
                "change_user_access",
                visibility("external", "shared_externally"),
            ),
            share(json!("external")),
        ),
        (
            google(
                "drive",
                "change_user_access",
                visibility("none", "shared_externally"),
            ),
            share(Value::Null),
        ),
        (
            google(
                "login",
                "login_failure",
                json!([{ "name": "login_failure_type", "value": "login_failure_invalid_password" }]),
            ),
            json!({ "activity": "login", "outcome": "failure", "reason": "bad_password" }),
        ),
        (
            google(
                "admin",
                "GRANT_ADMIN_PRIVILEGE",
                json!([{ "name": "USER_EMAIL", "value": "ben@example.com" }]),
            ),
            json!({ "activity": "role_grant", "method": "assigned", "object": "_SEED_ADMIN_ROLE", "target_user": "ben@example.com" }),
        ),
    ]);
}
