package sandbox

// Tx is a long transaction in the org. Each statement has the stamp of the
// moment it was made, and nothing of it is seen before Commit: the row then
// appears with a stamp of the past, which is how pollers lose rows. Until then
// nobody else can write the records that it has written.
type Tx struct {
	org        *Org
	statements []func()
	locks      []string
}

// Begin opens a transaction.
func (o *Org) Begin() *Tx { return &Tx{org: o} }

// Create makes a record and returns the Id that it will have.
func (t *Tx) Create(object string, fields Fields) string {
	t.org.mu.Lock()
	defer t.org.mu.Unlock()
	obj := t.org.object(object)
	id, w := t.org.nextID(obj), t.org.byPerson()
	t.statements = append(t.statements, func() { must(t.org.insert(w, obj, id, fields)) })
	return id
}

// Update changes fields of a record.
func (t *Tx) Update(object, id string, fields Fields) {
	t.add(id, func(w write) { must(t.org.update(w, t.org.object(object), longID(id), fields)) })
}

// Delete puts a record into the recycle bin.
func (t *Tx) Delete(object, id string) {
	t.add(id, func(w write) { must(t.org.remove(w, t.org.object(object), longID(id))) })
}

// Convert converts a Lead and returns the Ids that the records will have.
func (t *Tx) Convert(leadID string, c Conversion) Converted {
	t.org.mu.Lock()
	made := t.org.reserve(c)
	t.org.mu.Unlock()
	t.add(leadID, func(w write) { t.org.convert(w, longID(leadID), c, made) })
	return made
}

func (t *Tx) add(id string, statement func(w write)) {
	t.org.mu.Lock()
	defer t.org.mu.Unlock()
	w := t.org.byPerson()
	t.org.locked[longID(id)] = true
	t.locks = append(t.locks, longID(id))
	t.statements = append(t.statements, func() { statement(w) })
}

// Commit makes the transaction's work visible, all at once.
func (t *Tx) Commit() {
	t.org.mu.Lock()
	defer t.org.mu.Unlock()
	for _, run := range t.statements {
		run()
	}
	for _, id := range t.locks {
		delete(t.org.locked, id)
	}
	t.statements, t.locks = nil, nil
}
