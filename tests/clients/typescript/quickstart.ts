// Do the quickstart with the client that the typescript-fetch generator makes; print what it found as JSON.
// Arguments: address of the platform, API key, URL of the receiver.

import {
  Configuration,
  DeliveriesApi,
  DeliveryState,
  EndpointsApi,
  EventsApi,
  ProblemFromJSON,
  ResponseError,
  SubscriptionsApi,
} from './client';

declare const process: { argv: string[]; exit(status: number): void };

const WAIT = 30_000; // milliseconds

async function main(address: string, key: string, url: string) {
  const configuration = new Configuration({ basePath: address, accessToken: key });
  const endpoints = new EndpointsApi(configuration);
  const events = new EventsApi(configuration);
  const endpoint = await endpoints.createEndpoint({ endpointCreateRequest: { url, uid: 'typescript' } });
  await new SubscriptionsApi(configuration).createSubscription({
    subscriptionRequest: { endpoint: 'typescript', eventTypes: ['order.typescript'] },
  });
  const event = await events.createEvent({ eventCreateRequest: { type: 'order.typescript', data: { total: 42 } } });
  const batch = await events.createEventBatch({ eventCreateRequest: [{ type: 'order.other' }, { type: '' }] });
  const rejected = batch.data[1];
  if (rejected.status !== 'rejected') throw new Error(JSON.stringify(batch));
  const page = await endpoints.listEndpoints();
  const shown = await events.getEvent({ ref: event.id });
  return {
    secret: endpoint.secret,
    endpoints: page.data.map((it) => it.uid),
    disabled_reason: endpoint.disabledReason,
    event: shown.event.type,
    problem: await problemOf(endpoints.createEndpoint({ endpointCreateRequest: { url: 'nowhere' } })),
    rejected: rejected.error.status,
    delivered: await statusWhenDelivered(new DeliveriesApi(configuration), event.id),
  };
}

async function problemOf(call: Promise<unknown>): Promise<string | undefined> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof ResponseError)) throw error;
    return ProblemFromJSON(await error.response.json()).errors?.[0].field;
  }
  throw new Error('it was accepted');
}

async function statusWhenDelivered(deliveries: DeliveriesApi, event: string): Promise<number | null> {
  const end = Date.now() + WAIT;
  while (Date.now() < end) {
    const [delivery] = (await deliveries.listDeliveries({ event })).data;
    if (delivery.state === DeliveryState.Delivered) return delivery.lastStatus;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`not delivered within ${WAIT} ms`);
}

const [address, key, url] = process.argv.slice(2);
main(address, key, url).then(
  (found) => console.log(JSON.stringify(found)),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
