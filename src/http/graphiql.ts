/** What GraphiQL opens with: one document, since each tab would ask for the token again, and a place for the token. */
const EXAMPLES = `# Rollcall: groups, members and permissions.
# Put your application token behind "Bearer "
# in the headers below. Then press Run and
# choose one of these operations.
# The book at the left explains everything.

# The newest groups of your app.
query Groups {
  viewer {
    app {
      name
    }
  }
  groups(
    first: 20
    orderBy: { field: CREATED_AT, direction: DESC }
  ) {
    edges {
      node {
        gid
        name
        state
        memberCount
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}

# Makes a group with three members,
# one of them its admin.
mutation AddGroup {
  groupAdd(
    input: {
      name: "Team"
      members: [
        { addresses: ["alice"], admin: { admin: true } }
        { addresses: ["bob", "carol"] }
      ]
    }
  ) {
    __typename
    ... on GroupAddPayload {
      group {
        gid
        name
        memberCount
        version
      }
    }
    ... on InvalidInput {
      issues {
        path
        message
      }
    }
    ... on Error {
      code
      message
    }
  }
}

# Adds and removes members: all or nothing.
# Put in the gid of your group.
mutation EditMembers {
  groupEditMembers(
    input: {
      gid: "1000"
      add: [{ addresses: ["dave"] }]
      remove: ["carol"]
    }
  ) {
    __typename
    ... on GroupEditMembersPayload {
      added
      updated
      removed
      unchanged
      group {
        memberCount
        version
      }
    }
    ... on Error {
      code
      message
    }
  }
}

# A group's settings and members.
# Put in the gid of your group.
query Members {
  group(gid: "1000") {
    name
    state
    permissions {
      send
      recv
      pub
      sub
      list
    }
    members(first: 50) {
      edges {
        node {
          address
          permissions {
            send
            recv
          }
          admin {
            owner
            admin
          }
        }
      }
    }
  }
}
`;

export const GRAPHIQL = {
  title: 'Rollcall',
  defaultQuery: EXAMPLES,
  headers: JSON.stringify({ Authorization: 'Bearer ' }, null, 2),
  defaultEditorToolsVisibility: 'headers' as const,
  shouldPersistHeaders: false,
};
