metadata description = 'What the operators\' group may do: what the runbook\'s commands on data and telemetry need, and no more.'

@description('Object id of the group in Microsoft Entra.')
param groupId string

param storageName string

var roles = {
  'Monitoring Reader': '43d0d8ad-25c7-4714-9337-8ba259a9fe05'
  'Storage Blob Data Contributor': 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  'Storage Queue Data Message Sender': 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
  'Storage Table Data Reader': '76199698-9eea-4c19-bc75-cec21354c6b6'
}

// Whoever may write to the container deployments runs code as the app, and the host's containers hold function keys.
var containers = ['checkpoints', 'event-grid-dead-letters']

// What Event Grid gave up is put back there. Everything else has a route, which asks for a function key.
var queues = ['events']

// What is copied for safety: Azure has no backup of tables.
var tables = ['deadletters', 'subscriptions']

resource storage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageName

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource container 'containers' existing = [for container in containers: { name: container }]
  }

  resource queueService 'queueServices' existing = {
    name: 'default'

    resource queue 'queues' existing = [for queue in queues: { name: queue }]
  }

  resource tableService 'tableServices' existing = {
    name: 'default'

    resource table 'tables' existing = [for table in tables: { name: table }]
  }
}

resource onGroup 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(resourceGroup().id, groupId, roles['Monitoring Reader'])
  properties: {
    description: 'The operators: Monitoring Reader'
    principalId: groupId
    principalType: 'Group'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Monitoring Reader'])
  }
}

resource onContainers 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (container, index) in containers: {
    name: guid(storage::blobs::container[index].id, groupId, roles['Storage Blob Data Contributor'])
    scope: storage::blobs::container[index]
    properties: {
      description: 'The operators: Storage Blob Data Contributor'
      principalId: groupId
      principalType: 'Group'
      roleDefinitionId: subscriptionResourceId(
        'Microsoft.Authorization/roleDefinitions',
        roles['Storage Blob Data Contributor']
      )
    }
  }
]

resource onQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (queue, index) in queues: {
    name: guid(storage::queueService::queue[index].id, groupId, roles['Storage Queue Data Message Sender'])
    scope: storage::queueService::queue[index]
    properties: {
      description: 'The operators: Storage Queue Data Message Sender'
      principalId: groupId
      principalType: 'Group'
      roleDefinitionId: subscriptionResourceId(
        'Microsoft.Authorization/roleDefinitions',
        roles['Storage Queue Data Message Sender']
      )
    }
  }
]

resource onTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (table, index) in tables: {
    name: guid(storage::tableService::table[index].id, groupId, roles['Storage Table Data Reader'])
    scope: storage::tableService::table[index]
    properties: {
      description: 'The operators: Storage Table Data Reader'
      principalId: groupId
      principalType: 'Group'
      roleDefinitionId: subscriptionResourceId(
        'Microsoft.Authorization/roleDefinitions',
        roles['Storage Table Data Reader']
      )
    }
  }
]
