package sandbox

import "slices"

// ScanTable has an object's query plans begin with a scan of all its records, as where no index is selective enough in a large table.
func (o *Org) ScanTable(object string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.object(object).scanned = true
}

// scannedRecords is how many records an object has that is too large for its indexes.
const scannedRecords = 2_000_000

// explain answers query?explain=SOQL: the plans for the query, the one that would be used first. It is not run.
func (o *Org) explain(soql string) answer {
	q, err := o.parse(soql)
	if err != nil {
		return failed(err)
	}
	records := len(q.object.order)
	scan := plan(q.object, "TableScan", nil, 0.65, records)
	if q.object.scanned {
		return ok(orderedObject{{"plans", []any{plan(q.object, "TableScan", nil, 2.8, scannedRecords)}}})
	}
	for _, way := range q.tested {
		if indexed(way) {
			return ok(orderedObject{{"plans", []any{plan(q.object, "Index", []string{way.f.Name}, 0.1, records), scan}}})
		}
	}
	return ok(orderedObject{{"plans", []any{scan}}})
}

// indexed are the fields that Salesforce documents to be so: Ids, stamps but LastModifiedDate, lookups, e-mails, external Ids.
func indexed(way path) bool {
	if len(way.lookups) > 0 {
		return false
	}
	return slices.Contains([]string{"Id", "Name", "CreatedDate", "SystemModstamp", "Email"}, way.f.Name) ||
		way.f.ReferenceTo != "" || way.f.ExternalID || way.f.Unique
}

func plan(obj *object, operation string, fields []string, cost float64, records int) any {
	if fields == nil {
		fields = []string{}
	}
	note := orderedObject{{"description", "Not considering filter for optimization because unindexed"}, {"fields", []string{"IsDeleted"}}, {"tableEnumOrId", obj.name}}
	return orderedObject{{"cardinality", records}, {"fields", fields}, {"leadingOperationType", operation}, {"notes", []any{note}},
		{"relativeCost", cost}, {"sobjectCardinality", records}, {"sobjectType", obj.name}}
}
