'use strict';

// Run with: node --test

const assert = require('node:assert');
const { test } = require('node:test');

const { handle } = require('./handler.js');
const { Event, Reject, Retry } = require('./serve.js');

const order = '{"id": "o-1", "amount": 42}';

test('the bank is busy the first time', () => {
  assert.throws(() => handle(new Event({ id: 'e1' }, order, { attempt: 1 })), Retry);
});

test('charges at the second attempt', () => {
  const reply = handle(new Event({ id: 'e1' }, order, { attempt: 2 }));
  assert.deepStrictEqual(reply.data, { id: 'o-1', amount: 42, receipt: 'r-o-1' });
});

test('rejects what is no order', () => {
  for (const data of ['', 'null', '{}', '{"id": "o-1"}']) {
    assert.throws(() => handle(new Event({ id: 'e1' }, data, { attempt: 2 })), Reject);
  }
});
