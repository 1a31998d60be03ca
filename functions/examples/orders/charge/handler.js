'use strict';

const { Reject, Retry, serve } = require('./serve.js');

/**
 * Second step of the order pipeline: take the money. The bank is always busy the first time, so that one can see a retry:
 * the event is parked for a second, costs no process meanwhile, and comes back as attempt 2.
 */
function handle(event) {
  const order = event.json();
  if (typeof order?.id !== 'string' || typeof order.amount !== 'number') {
    throw new Reject('want an order with an id and an amount');
  }
  if (event.attempt === 1) {
    throw new Retry(`order ${order.id}: the bank is busy`, { after: 1 });
  }
  return { type: 'orders.charged', subject: order.id, data: { ...order, receipt: `r-${order.id}` } };
}

module.exports = { handle };

if (require.main === module) {
  serve(handle);
}
