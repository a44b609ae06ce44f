/** A tool of the built-in requests, in the form in which chat calls offer it. */
export interface BuiltInTool {
  readonly name: string;
  readonly description: string;
  readonly parameters: object;
  /** Sentences that ask for it. `{n}` is a number, `{who}`, `{city}` and `{thing}` are names. */
  readonly asks: readonly string[];
}

const text = (description: string) => ({ type: 'string', description });
const oneOf = (...values: readonly string[]) => ({ type: 'string', enum: values });
const whole = (minimum: number, maximum: number) => ({ type: 'integer', minimum, maximum });
const list = (items: object) => ({ type: 'array', items, minItems: 1 });
const object = (properties: Readonly<Record<string, object>>, optional: readonly string[] = []) => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter((key) => !optional.includes(key)),
  additionalProperties: false,
});

/** From a tool with one text to tools with lists of objects, because parsers break on the latter. */
export const BUILT_IN_TOOLS: readonly BuiltInTool[] = [
  {
    name: 'find_weather',
    description: 'Finds the weather of a city.',
    parameters: object({ city: text('Name of the city'), unit: oneOf('celsius', 'fahrenheit') }, ['unit']),
    asks: ['How warm is it in {city} today?', 'Do I need a coat in {city}? Say it in celsius.'],
  },
  {
    name: 'book_meeting',
    description: 'Books a meeting in the calendar.',
    parameters: object({
      title: text('What it is about'),
      day: oneOf('monday', 'tuesday', 'wednesday', 'thursday', 'friday'),
      minutes: whole(5, 480),
      people: list(text('Name of a guest')),
    }),
    asks: [
      'Book {n} minutes on Tuesday with {who} and Ada about the {thing}.',
      'Put a meeting about the {thing} with {who} on Friday, {n} minutes long.',
    ],
  },
  {
    name: 'open_ticket',
    description: 'Opens a ticket for the support team.',
    parameters: object({
      title: text('The problem in a few words'),
      priority: oneOf('low', 'normal', 'high'),
      labels: list(oneOf('billing', 'login', 'hardware', 'other')),
      customer: object({ name: text('Name'), number: whole(1, 1_000_000) }),
    }),
    asks: [
      'Customer {who}, number {n}, cannot log in any more. Open a ticket with high priority.',
      'Open a ticket: the {thing} of customer {who}, number {n}, is broken. It is not urgent.',
    ],
  },
  {
    name: 'convert_money',
    description: 'Converts an amount of money.',
    parameters: object({
      amount: { type: 'number' },
      from: oneOf('EUR', 'USD', 'CHF'),
      to: oneOf('EUR', 'USD', 'CHF'),
    }),
    asks: ['How many dollars are {n}.50 euros?', 'Convert {n} Swiss francs to euros.'],
  },
  {
    name: 'search_orders',
    description: 'Searches the orders of the shop.',
    parameters: object({
      filters: list(
        object({
          field: oneOf('customer', 'city', 'total'),
          is: oneOf('equal', 'above', 'below'),
          value: text('Value'),
        }),
      ),
      limit: whole(1, 100),
    }),
    asks: [
      'Show at most 20 orders from {city} with a total above {n}.',
      'Which orders of {who} had a total below {n}? Ten are enough.',
    ],
  },
  {
    name: 'send_invoice',
    description: 'Sends an invoice.',
    parameters: object(
      {
        to: text('Name of the customer'),
        lines: list(object({ item: text('What was sold'), count: whole(1, 10_000), price: { type: 'number' } })),
        note: text('A note below the lines'),
      },
      ['note'],
    ),
    asks: [
      'Send {who} an invoice for {n} pieces of {thing} at 2.75 each and one delivery at 9.',
      'Invoice {who} for {n} hours of work on the {thing} at 60 an hour.',
    ],
  },
  {
    name: 'set_heating',
    description: 'Sets the heating of a room.',
    parameters: object({
      room: oneOf('kitchen', 'office', 'bedroom'),
      celsius: { type: 'number', minimum: 5, maximum: 30 },
    }),
    asks: ['Make the office 21.5 degrees warm, {who} is cold.', 'Set the bedroom to 17 degrees for the {thing}.'],
  },
  {
    name: 'plan_route',
    description: 'Plans a route with stops.',
    parameters: object(
      {
        stops: list(object({ city: text('Name of the city'), minutes: whole(0, 600) })),
        avoid: { type: 'array', items: oneOf('tolls', 'ferries', 'motorways') },
      },
      ['avoid'],
    ),
    asks: [
      'Plan a route to {city} with a stop of {n} minutes in Bern, without tolls.',
      'I drive to {city}, then {n} minutes in Lyon. Avoid ferries and motorways.',
    ],
  },
];

/** A schema that an answer must satisfy, and texts to read. */
export interface BuiltInSchema {
  readonly name: string;
  readonly schema: object;
  readonly asks: readonly string[];
}

export const BUILT_IN_SCHEMAS: readonly BuiltInSchema[] = [
  {
    name: 'person',
    schema: object({ name: text('Name'), age: whole(0, 130), city: text('City') }),
    asks: ['Read the person from this text as JSON: {who} lives in {city} and is 41 years old.'],
  },
  {
    name: 'mood',
    schema: object({ mood: oneOf('good', 'bad', 'mixed'), sure: { type: 'number', minimum: 0, maximum: 1 } }),
    asks: [
      'Judge this review as JSON: "The {thing} works, but it came {n} days late."',
      'Judge this review as JSON: "I love the {thing}, {who} wants one too."',
    ],
  },
  {
    name: 'order',
    schema: object({
      customer: text('Name'),
      items: list(object({ item: text('Item'), count: whole(1, 10_000) })),
      isUrgent: { type: 'boolean' },
    }),
    asks: ['Read the order as JSON: {who} needs {n} pieces of {thing} and two lamps in {city} by tomorrow, urgently.'],
  },
  {
    name: 'steps',
    schema: object({ title: text('Title'), steps: list(object({ text: text('What to do'), minutes: whole(1, 600) })) }),
    asks: ['Write three steps to clean a {thing} as JSON.', 'How does one pack a {thing}? Two steps, as JSON.'],
  },
  {
    name: 'places',
    schema: object({ places: list(object({ city: text('City'), country: text('Country') })) }),
    asks: ['Name {city} and two cities near it, with their countries, as JSON.'],
  },
];
