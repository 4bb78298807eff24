package sandbox

import "strings"

// permissions are what the integration user may, beyond single fields and records.
type permissions struct {
	viewAllData bool
	viewAll     map[string]bool   // by canonical object name
	sharing     map[string]string // org-wide defaults of internal users, by canonical object name
	unreadable  map[string]bool   // by canonical object name
}

// ViewAllData gives the integration user the permission to see every record of the org, or takes it. A new org's has it not.
func (o *Org) ViewAllData(on bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.permissions.viewAllData = on
}

// ViewAll gives the integration user View All on an object, or takes it. In a new org it has it on Leads, Contacts and Opportunities.
// What it then does not see is still up to [Org.HideRecord].
func (o *Org) ViewAll(object string, on bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.permissions.viewAll[o.object(object).name] = on
}

// ShareByDefault sets an object's org-wide default: Private, Read, ReadWrite, ReadWriteTransfer or ControlledByParent. It is Private in a
// new org.
func (o *Org) ShareByDefault(object, model string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.permissions.sharing[o.object(object).name] = model
}

// HideObject takes the Read permission on an object from the integration user: to that user the org has no such object, nor its history.
func (o *Org) HideObject(object string) { o.permit(object, false) }

// ShowObject gives the permission back. No stamp moves.
func (o *Org) ShowObject(object string) { o.permit(object, true) }

func (o *Org) permit(object string, read bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	obj := o.object(object)
	o.permissions.unreadable[obj.name] = !read
	obj.changed = stamp(o.now())
}

// readable finds an object by any spelling of its name; nil where there is none, or none that the integration user may read.
func (o *Org) readable(name string) *object {
	obj := o.objects[strings.ToLower(name)]
	if obj == nil || o.permissions.unreadable[obj.name] || obj.kind == history && o.permissions.unreadable[strings.TrimSuffix(obj.parentField(), "Id")] {
		return nil
	}
	return obj
}

const (
	permissionSet        = "0PS000000000001AAA"
	permissionAssignment = "0Pa000000000001AAA"
)

// permissionObjects show the permissions as rows. UserPermissionAccess is open to every API user and has one row, of the user that asks;
// the other two need View Setup and Configuration, which the integration user has unless the objects are dropped from the org.
func permissionObjects() []*object {
	access := newObject("UserPermissionAccess", "User Permission Access", "User Permission Access", "0DX", setup,
		flag("PermissionsViewAllData", "View All Data"), flag("PermissionsModifyAllData", "Modify All Data"))
	assignment := newObject("PermissionSetAssignment", "Permission Set Assignment", "Permission Set Assignments", "0Pa", setup,
		lookup("AssigneeId", "Assignee ID", "User"), text("PermissionSetId", "PermissionSet ID", 18))
	objects := newObject("ObjectPermissions", "Object Permissions", "Object Permissions", "110", setup,
		text("ParentId", "Parent ID", 18), text("SobjectType", "Object Type Name", 40), flag("PermissionsRead", "Read Records"),
		flag("PermissionsViewAllRecords", "Read All Records"), flag("PermissionsModifyAllRecords", "Edit All Records"))
	return []*object{access, assignment, objects}
}

// refreshPermissions makes the rows anew from what the user may.
func (o *Org) refreshPermissions() {
	rows := func(name string) *object {
		table := o.objects[name]
		if table != nil {
			table.rows, table.order = map[string]*row{}, nil
		}
		return table
	}
	all := o.permissions.viewAllData
	rows("userpermissionaccess").place("0DX000000000001AAA", Fields{"PermissionsViewAllData": all, "PermissionsModifyAllData": false})
	rows("permissionsetassignment").place(permissionAssignment, Fields{"AssigneeId": o.user, "PermissionSetId": permissionSet})
	table := rows("objectpermissions")
	for i, name := range []string{"Lead", "Contact", "Opportunity", "Account"} {
		table.place(newID("110", uint64(i)), Fields{"ParentId": permissionSet, "SobjectType": name, "PermissionsRead": !o.permissions.unreadable[name],
			"PermissionsViewAllRecords": all || o.permissions.viewAll[name], "PermissionsModifyAllRecords": false})
	}
}

// place puts a row where the platform itself keeps it.
func (t *object) place(id string, values Fields) {
	if t == nil {
		return // the org does not show this table
	}
	values["Id"] = id
	t.rows[id] = &row{values: values}
	t.order = append(t.order, id)
}

func newPermissions() permissions {
	return permissions{viewAll: map[string]bool{"Lead": true, "Contact": true, "Opportunity": true}, sharing: map[string]string{}, unreadable: map[string]bool{}}
}

// sharingModel is an object's org-wide default.
func (o *Org) sharingModel(object string) string {
	if model := o.permissions.sharing[object]; model != "" {
		return model
	}
	return "Private"
}
