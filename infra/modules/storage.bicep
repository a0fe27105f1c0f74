metadata description = 'The storage account: queues, tables and containers, reached by identities only.'

param name string
param location string
param tags { *: string }
param workspaceName string

@description('Let nobody in but private endpoints and Azure services that Azure itself trusts.')
param isPrivate bool

@description('Keep every byte in three zones of the region, not three times in one data centre.')
param isZoneRedundant bool

// Those of poison are where the host puts what it has given up, and functions take it up there.
var queues = ['events', 'deliveries', 'releases', 'polls', 'events-poison', 'deliveries-poison', 'polls-poison']
var tables = ['subscriptions', 'deliveries', 'events', 'deadletters', 'polls', 'due']
var containers = ['checkpoints', 'deployments', 'event-grid-dead-letters']

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: isZoneRedundant ? 'Standard_ZRS' : 'Standard_LRS' }
  properties: {
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      defaultAction: isPrivate ? 'Deny' : 'Allow'
      // Event Grid delivers from outside the network: with its system-assigned identity Azure trusts it.
      bypass: 'AzureServices'
    }
  }

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      // A checkpoint that was damaged or deleted can be brought back.
      isVersioningEnabled: true
      deleteRetentionPolicy: { enabled: true, days: 7 }
      containerDeleteRetentionPolicy: { enabled: true, days: 7 }
    }

    resource container 'containers' = [
      for container in containers: {
        name: container
        properties: { publicAccess: 'None' }
      }
    ]
  }

  resource queueService 'queueServices' = {
    name: 'default'

    resource queue 'queues' = [for queue in queues: { name: queue }]
  }

  resource tableService 'tableServices' = {
    name: 'default'

    resource table 'tables' = [for table in tables: { name: table }]
  }

  resource lifecycle 'managementPolicies' = {
    name: 'default'
    properties: {
      policy: {
        rules: [
          {
            name: 'versions-of-checkpoints'
            enabled: true
            type: 'Lifecycle'
            definition: {
              filters: { blobTypes: ['blockBlob'], prefixMatch: ['checkpoints/', 'azure-webjobs-'] }
              actions: { version: { delete: { daysAfterCreationGreaterThan: 7 } } }
            }
          }
          {
            // Only what a later deployment has replaced: the app loads the package itself at each start.
            name: 'replaced-deployment-packages'
            enabled: true
            type: 'Lifecycle'
            definition: {
              filters: { blobTypes: ['blockBlob'], prefixMatch: ['deployments/'] }
              actions: { version: { delete: { daysAfterCreationGreaterThan: 30 } } }
            }
          }
          {
            name: 'dead-letters-of-event-grid'
            enabled: true
            type: 'Lifecycle'
            definition: {
              filters: { blobTypes: ['blockBlob'], prefixMatch: ['event-grid-dead-letters/'] }
              actions: {
                baseBlob: { delete: { daysAfterModificationGreaterThan: 90 } }
                version: { delete: { daysAfterCreationGreaterThan: 90 } }
              }
            }
          }
        ]
      }
    }
    dependsOn: [blobs]
  }
}

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' existing = {
  name: workspaceName
}

// Only deletions are logged of each request: the host asks the queues several times a second.
resource blobDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'bridge'
  scope: account::blobs
  properties: {
    workspaceId: workspace.id
    logs: [{ category: 'StorageDelete', enabled: true }]
    metrics: [{ category: 'Transaction', enabled: true }]
  }
}

resource queueDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'bridge'
  scope: account::queueService
  properties: {
    workspaceId: workspace.id
    metrics: [{ category: 'Transaction', enabled: true }]
  }
}

resource tableDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'bridge'
  scope: account::tableService
  properties: {
    workspaceId: workspace.id
    metrics: [{ category: 'Transaction', enabled: true }]
  }
}
