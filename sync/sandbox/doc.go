// Package sandbox is a Salesforce org and a Referral Factory account that live
// in memory and speak the two services' real protocols. `qualifyd demo`,
// `qualifyd sandbox` and the tests point the ordinary clients at it.
//
// Start with [NewOrg] and [NewReferralFactory]. Their methods do what a person
// at the service would do (edit a record, convert a Lead, join a campaign);
// their Handler methods answer HTTP. [Transport] reaches the handlers without a
// socket, so that a whole daemon can run inside testing/synctest. Both take the
// clock to live by, and write every stamp and every Date header from it.
//
// The sandbox behaves as the services are documented to behave, not as would
// be convenient: stamps have whole seconds, a conversion leaves the Lead's
// LastModifiedDate alone, rows of one second come in no particular order, the
// row list of a query is fixed when it runs while the values of a later page
// are those of the moment it is fetched, a transaction's rows carry the stamps
// of its statements and become visible at its commit ([Org.Begin]).
//
// What REST cannot do in a real org is done by Org's methods or, over HTTP,
// under /sandbox/control/ ([Control]). What goes wrong in real life is done by
// a [Fault] on either handler.
//
// # Endpoints
//
// Salesforce, where vNN.0 is 31.0 to 68.0:
//
//	GET    /services/oauth2/authorize       a page with the links Allow and Deny, for anybody: there is no login
//	POST   /services/oauth2/token           client_credentials, JWT bearer, authorization_code with PKCE, refresh_token
//	GET, POST  /services/oauth2/revoke      ends a session, or a refresh token
//	GET    /services/oauth2/userinfo
//	GET    /id/ORG/USER                     the identity URL of a token answer
//	GET    /services/data                   versions, without a session
//	GET    /services/data/vNN.0             the resources, and the identity URL
//	GET    /services/data/vNN.0/limits
//	GET    /services/data/vNN.0/query       ?q=SOQL, also columns=true; ?explain=SOQL
//	GET    /services/data/vNN.0/queryAll    deleted rows too
//	GET    /services/data/vNN.0/query/LOCATOR
//	GET    /services/data/vNN.0/sobjects
//	GET    /services/data/vNN.0/sobjects/X/describe
//	GET, POST          /services/data/vNN.0/sobjects/X
//	GET, PATCH, DELETE /services/data/vNN.0/sobjects/X/ID
//	GET, PATCH         /services/data/vNN.0/sobjects/X/FIELD/VALUE    by external Id
//	POST   /services/data/vNN.0/composite
//	POST   /services/data/vNN.0/composite/batch
//	POST, PATCH, DELETE /services/data/vNN.0/composite/sobjects
//	GET, POST  /services/data/vNN.0/composite/sobjects/X    several by Id
//	PATCH  /services/data/vNN.0/composite/sobjects/X/FIELD
//
// Referral Factory, under /api/v2:
//
//	GET    /users                per_page (25, at most 250), page
//	GET    /users/ID-OR-CODE
//	PUT    /users/qualification
//	GET    /campaigns            per_page, page
//
// There are no more than qualifyd and the usual Salesforce clients need
// (jsforce, the Salesforce CLI, simple-salesforce, go-salesforce,
// tap-salesforce, n8n), and SOQL is what those send: no sub-selects, HAVING,
// TYPEOF or toLabel, and COUNT is the only aggregate. FieldDefinition and
// EntityDefinition can be queried within the limits they have, and what the user
// may in UserPermissionAccess, PermissionSetAssignment and ObjectPermissions.
// There is no SOSL, no Bulk API, and no getUpdated.
package sandbox
