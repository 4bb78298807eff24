package sandbox

import "slices"

// newObject makes an object with the fields every one has.
func newObject(name, label, plural, prefix string, k kind, fields ...FieldDef) *object {
	o := &object{
		name: name, label: label, plural: plural, prefix: prefix, kind: k,
		byName: map[string]*FieldDef{}, hidden: map[string]bool{}, tracked: map[string]bool{}, rows: map[string]*row{}, children: map[string][]string{},
	}
	o.add(FieldDef{Name: "Id", Label: label + " ID", Type: "id", ReadOnly: true, IDLookup: true})
	o.add(fields...)
	return o
}

func text(name, label string, length int) FieldDef {
	return FieldDef{Name: name, Label: label, Type: "string", Length: length}
}

func typed(kind, name, label string) FieldDef { return FieldDef{Name: name, Label: label, Type: kind} }

func choice(name, label string, values ...string) FieldDef {
	return FieldDef{Name: name, Label: label, Type: "picklist", Values: Picklist(values...)}
}

func lookup(name, label, to string) FieldDef {
	return FieldDef{Name: name, Label: label, Type: "reference", ReferenceTo: to}
}

func flag(name, label string) FieldDef {
	return FieldDef{Name: name, Label: label, Type: "boolean", Default: false}
}

func number(kind, name, label string, precision, scale int) FieldDef {
	return FieldDef{Name: name, Label: label, Type: kind, Precision: precision, Scale: scale}
}

func required(f FieldDef) FieldDef { f.Required = true; return f }
func readOnly(f FieldDef) FieldDef { f.ReadOnly = true; return f }
func noFilter(f FieldDef) FieldDef { f.NoFilter = true; return f }
func filled(f FieldDef) FieldDef   { f.filled = true; return f }
func of(compound string, f FieldDef) FieldDef {
	f.compound = compound
	return f
}

// trail are the stamps that the platform keeps on every row but history's.
func trail() []FieldDef {
	return []FieldDef{
		readOnly(typed("datetime", "CreatedDate", "Created Date")),
		readOnly(lookup("CreatedById", "Created By ID", "User")),
		readOnly(typed("datetime", "LastModifiedDate", "Last Modified Date")),
		readOnly(lookup("LastModifiedById", "Last Modified By ID", "User")),
		readOnly(typed("datetime", "SystemModstamp", "System Modstamp")),
	}
}

func addressFields(prefix, label, compound string) []FieldDef {
	street := typed("textarea", prefix+"Street", label+"Street")
	return []FieldDef{
		of(compound, street),
		of(compound, text(prefix+"City", label+"City", 40)),
		of(compound, text(prefix+"State", label+"State/Province", 80)),
		of(compound, text(prefix+"PostalCode", label+"Zip/Postal Code", 20)),
		of(compound, text(prefix+"Country", label+"Country", 80)),
		readOnly(typed("address", compound, label+"Address")),
	}
}

func personName() []FieldDef {
	return []FieldDef{
		required(of("Name", text("LastName", "Last Name", 80))),
		of("Name", text("FirstName", "First Name", 40)),
		of("Name", FieldDef{Name: "Salutation", Label: "Salutation", Type: "picklist", Length: 40, Values: Picklist("Mr.", "Ms.", "Mrs.", "Dr.", "Prof.", "Mx.")}),
		readOnly(text("Name", "Full Name", 121)),
	}
}

func email() FieldDef {
	return FieldDef{Name: "Email", Label: "Email", Type: "email", IDLookup: true}
}

var leadSources = []string{"Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other"}

func leadObject() *object {
	o := newObject("Lead", "Lead", "Leads", "00Q", data,
		readOnly(flag("IsDeleted", "Deleted")),
		readOnly(lookup("MasterRecordId", "Master Record ID", "Lead")))
	o.undeletable, o.mergeable = true, true
	o.add(personName()...)
	o.add(text("Title", "Title", 128), required(text("Company", "Company", 255)))
	o.add(addressFields("", "", "Address")...)
	status := choice("Status", "Status", "Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted")
	status.Default, status.Required = "Open - Not Contacted", true
	converted := flag("IsConverted", "Converted")
	converted.CreateOnly = true
	description := noFilter(typed("textarea", "Description", "Description"))
	description.Length = 32000
	o.add(
		typed("phone", "Phone", "Phone"), typed("phone", "MobilePhone", "Mobile Phone"), typed("phone", "Fax", "Fax"), email(),
		typed("url", "Website", "Website"), description,
		choice("LeadSource", "Lead Source", leadSources...), status,
		choice("Industry", "Industry", "Agriculture", "Banking", "Construction", "Consulting", "Education", "Technology", "Other"),
		choice("Rating", "Rating", "Hot", "Warm", "Cold"),
		number("currency", "AnnualRevenue", "Annual Revenue", 18, 0), number("int", "NumberOfEmployees", "Employees", 8, 0),
		lookup("OwnerId", "Owner ID", "User"), converted,
		readOnly(typed("date", "ConvertedDate", "Converted Date")),
		readOnly(lookup("ConvertedAccountId", "Converted Account ID", "Account")),
		readOnly(lookup("ConvertedContactId", "Converted Contact ID", "Contact")),
		readOnly(lookup("ConvertedOpportunityId", "Converted Opportunity ID", "Opportunity")),
		flag("IsUnreadByOwner", "Unread By Owner"))
	o.add(trail()...)
	o.add(readOnly(typed("date", "LastActivityDate", "Last Activity")))
	return o
}

func contactObject() *object {
	o := newObject("Contact", "Contact", "Contacts", "003", data,
		readOnly(flag("IsDeleted", "Deleted")),
		readOnly(lookup("MasterRecordId", "Master Record ID", "Contact")),
		lookup("AccountId", "Account ID", "Account"))
	o.undeletable, o.mergeable = true, true
	o.add(personName()...)
	o.add(addressFields("Mailing", "Mailing ", "MailingAddress")...)
	description := noFilter(typed("textarea", "Description", "Contact Description"))
	description.Length = 32000
	o.add(
		typed("phone", "Phone", "Business Phone"), typed("phone", "MobilePhone", "Mobile Phone"), typed("phone", "HomePhone", "Home Phone"),
		lookup("ReportsToId", "Reports To ID", "Contact"), email(),
		text("Title", "Title", 128), text("Department", "Department", 80),
		choice("LeadSource", "Lead Source", leadSources...), typed("date", "Birthdate", "Birthdate"), description,
		lookup("OwnerId", "Owner ID", "User"))
	o.add(trail()...)
	o.add(readOnly(typed("date", "LastActivityDate", "Last Activity")))
	return o
}

func opportunityObject() *object {
	o := newObject("Opportunity", "Opportunity", "Opportunities", "006", data,
		readOnly(flag("IsDeleted", "Deleted")), lookup("AccountId", "Account ID", "Account"), flag("IsPrivate", "Private"))
	o.undeletable = true
	description := noFilter(typed("textarea", "Description", "Description"))
	description.Length = 32000
	contact := lookup("ContactId", "Contact ID", "Contact")
	contact.CreateOnly, contact.bare = true, true
	name := required(text("Name", "Name", 120))
	name.IDLookup = true
	forecast := required(readOnly(choice("ForecastCategory", "Forecast Category", "Omitted", "Pipeline", "BestCase", "MostLikely", "Forecast", "Closed")))
	forecast.Length = 40
	o.add(
		name, description,
		required(choice("StageName", "Stage")),
		number("currency", "Amount", "Amount", 18, 2), filled(number("percent", "Probability", "Probability (%)", 3, 0)),
		readOnly(number("currency", "ExpectedRevenue", "Expected Amount", 18, 2)),
		number("double", "TotalOpportunityQuantity", "Quantity", 18, 2),
		required(typed("date", "CloseDate", "Close Date")),
		choice("Type", "Opportunity Type", "Existing Customer - Upgrade", "Existing Customer - Replacement", "New Customer"),
		text("NextStep", "Next Step", 255), choice("LeadSource", "Lead Source", leadSources...),
		readOnly(flag("IsClosed", "Closed")), readOnly(flag("IsWon", "Won")),
		forecast, filled(choice("ForecastCategoryName", "Forecast Category", "Omitted", "Pipeline", "Best Case", "Commit", "Closed")),
		lookup("OwnerId", "Owner ID", "User"))
	o.add(trail()...)
	o.add(readOnly(typed("date", "LastActivityDate", "Last Activity")),
		readOnly(typed("datetime", "LastStageChangeDate", "Last Stage Change Date")), contact)
	return o
}

func accountObject() *object {
	o := newObject("Account", "Account", "Accounts", "001", data,
		readOnly(flag("IsDeleted", "Deleted")),
		readOnly(lookup("MasterRecordId", "Master Record ID", "Account")),
		required(text("Name", "Account Name", 255)),
		choice("Type", "Account Type", "Prospect", "Customer - Direct", "Other"))
	o.undeletable, o.mergeable = true, true
	o.add(addressFields("Billing", "Billing ", "BillingAddress")...)
	o.add(typed("phone", "Phone", "Account Phone"), text("AccountNumber", "Account Number", 40), typed("url", "Website", "Website"),
		choice("Industry", "Industry", "Agriculture", "Banking", "Construction", "Consulting", "Education", "Technology", "Other"),
		lookup("OwnerId", "Owner ID", "User"))
	o.add(trail()...)
	return o
}

// fieldHistory is LeadHistory, ContactHistory or OpportunityFieldHistory. None
// has a SystemModstamp: the cursor is CreatedDate.
func fieldHistory(name, parent, prefix string) *object {
	label := parent + " History"
	return newObject(name, label, label, prefix, history,
		readOnly(flag("IsDeleted", "Deleted")),
		readOnly(lookup(parent+"Id", parent+" ID", parent)),
		readOnly(lookup("CreatedById", "Created By ID", "User")),
		readOnly(typed("datetime", "CreatedDate", "Created Date")),
		readOnly(typed("picklist", "Field", "Changed Field")),
		readOnly(typed("picklist", "DataType", "Datatype")),
		noFilter(readOnly(typed("anyType", "OldValue", "Old Value"))),
		noFilter(readOnly(typed("anyType", "NewValue", "New Value"))))
}

func opportunityHistory() *object {
	return newObject("OpportunityHistory", "Opportunity History", "Opportunity: Stage History", "008", history,
		readOnly(lookup("OpportunityId", "Opportunity ID", "Opportunity")),
		readOnly(lookup("CreatedById", "Created By ID", "User")),
		readOnly(typed("datetime", "CreatedDate", "Created Date")),
		readOnly(choice("StageName", "Stage Name")),
		readOnly(number("currency", "Amount", "Amount", 18, 2)),
		readOnly(number("currency", "ExpectedRevenue", "Expected Revenue", 18, 2)),
		readOnly(typed("date", "CloseDate", "Close Date")),
		readOnly(number("percent", "Probability", "Probability", 3, 0)),
		readOnly(choice("ForecastCategory", "To ForecastCategory")),
		readOnly(number("currency", "PrevAmount", "Prev Amount", 18, 2)),
		readOnly(typed("date", "PrevCloseDate", "Prev Close Date")),
		readOnly(typed("datetime", "SystemModstamp", "System Modstamp")),
		readOnly(flag("IsDeleted", "Deleted")))
}

func setupObjects() []*object {
	stage := newObject("OpportunityStage", "Opportunity Stage", "Opportunity Stage", "01J", setup,
		text("MasterLabel", "Master Label", 255), text("ApiName", "API Name", 255), flag("IsActive", "Is Active"),
		number("int", "SortOrder", "Order", 9, 0), flag("IsClosed", "Closed"), flag("IsWon", "Won"),
		choice("ForecastCategory", "Forecast Category"), choice("ForecastCategoryName", "Forecast Category"),
		number("percent", "DefaultProbability", "Probability (%)", 3, 0))
	stage.add(trail()...)
	status := newObject("LeadStatus", "Lead Status Value", "Lead Status Value", "01J", setup,
		text("MasterLabel", "Master Label", 255), text("ApiName", "API Name", 255), number("int", "SortOrder", "Order", 9, 0),
		flag("IsDefault", "Is Default"), flag("IsConverted", "Is Converted"))
	status.add(trail()...)
	user := newObject("User", "User", "People", "005", setup,
		text("Username", "Username", 80), text("LastName", "Last Name", 80), text("FirstName", "First Name", 40), text("Name", "Full Name", 121),
		email(), flag("IsActive", "Active"), text("Alias", "Alias", 8), choice("UserType", "User Type", "Standard"),
		text("LanguageLocaleKey", "Language", 40), text("LocaleSidKey", "Locale", 40), text("TimeZoneSidKey", "Time Zone", 40))
	user.add(trail()...)
	organization := newObject("Organization", "Organization", "Organizations", "00D", setup,
		text("Name", "Name", 80), text("InstanceName", "Instance Name", 5), flag("IsSandbox", "Is Sandbox"),
		choice("OrganizationType", "Edition", "Developer Edition", "Enterprise Edition"), text("NamespacePrefix", "Namespace Prefix", 15),
		typed("datetime", "TrialExpirationDate", "Trial Expiration Date"), text("LanguageLocaleKey", "Language", 40), text("TimeZoneSidKey", "Time Zone", 40))
	organization.add(trail()...)
	return append([]*object{stage, status, user, organization}, slices.Concat(definitionObjects(), permissionObjects())...)
}
