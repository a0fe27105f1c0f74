targetScope = 'subscription'

metadata description = 'Everything the bridge needs in Azure: one resource group, and identities instead of keys.'

@description('Name of the azd environment; the resource group is called after it.')
@minLength(1)
@maxLength(64)
param environmentName string

// Those that have Flex Consumption, by the quickstarts of Azure Functions; docs/deploy.md tells how to renew the list.
@description('Region of all resources. It must have Flex Consumption.')
@allowed([
  'australiaeast'
  'australiasoutheast'
  'brazilsouth'
  'canadacentral'
  'centralindia'
  'centralus'
  'eastasia'
  'eastus'
  'eastus2'
  'francecentral'
  'germanywestcentral'
  'italynorth'
  'japaneast'
  'koreacentral'
  'northcentralus'
  'northeurope'
  'norwayeast'
  'southafricanorth'
  'southcentralus'
  'southeastasia'
  'southindia'
  'spaincentral'
  'swedencentral'
  'uaenorth'
  'uksouth'
  'ukwest'
  'westcentralus'
  'westeurope'
  'westus'
  'westus2'
  'westus3'
])
@metadata({ azd: { type: 'location' } })
param location string

@description('Subscription key of the Customer Insights API.')
@minLength(1)
@secure()
param customerInsightsSubscriptionKey string

@description('Mail address that alerts go to.')
@minLength(3)
param alertEmail string

@description('A webhook that alerts go to as well. Empty: none.')
@secure()
param alertWebhookUrl string = ''

@description('Where operators read docs/operations.md; alerts link its sections.')
@minLength(1)
param runbookUrl string = 'docs/operations.md'

@description('Object id of the group in Microsoft Entra whose members operate the bridge. Empty: nobody gets a role.')
param operatorGroupId string = ''

// Not in main.parameters.json: azd makes it once, keeps it with the environment, and never asks for it.
@description('Random letters and digits, of which the first encryption key of callback URLs is made.')
@minLength(42)
@maxLength(42)
@metadata({ azd: { type: 'generate', config: { length: 42, noSpecial: true } } })
@secure()
param callbackEncryptionSeed string

@description('App registration that reads Customer Insights: its tenant. Empty: the managed identity reads.')
param customerInsightsTenantId string = ''

@description('App registration: its client id.')
param customerInsightsClientId string = ''

@description('App registration: its secret.')
@secure()
param customerInsightsClientSecret string = ''

// The bridge's own settings, see docs/settings.md. An empty one is not set, and the bridge's default holds.
param customerInsightsEndpoint string = ''
param customerInsightsScope string = ''
param customerInsightsInstances string = ''
param customerInsightsWorkflow string = ''
param pollRefreshesSchedule string = ''
param pollThresholdsSchedule string = ''
param pollInlineMax string = ''
param pollingFailedAfterSeconds string = ''
param callbackAllowedHosts string = ''
param callbackTimeoutSeconds string = ''
param deliveryRetrySeconds string = ''
param deliveryMaxAgeHours string = ''
param deliveryRatePerSecond string = ''
param eventRetentionDays string = ''
param consoleEnabled string = ''
param publicUrl string = ''

@description('Memory of an instance of the function app.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('The most instances of the function app.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Instances that always wait for deliveries.')
@minValue(0)
@maxValue(1000)
param alwaysReadyDeliver int = 0

@description('What survives the loss of a zone: nothing, what is stored, or all, so that the app runs on.')
@allowed(['none', 'storage', 'all'])
param zoneRedundant string = 'none'

@description('Put storage, vault and topic behind private endpoints in a virtual network of the app.')
param vnetEnabled bool = false

@description('Client id of the app registration for Entra sign-in to the API. Empty: function keys alone.')
param signInClientId string = ''

@description('Client ids of the apps that may call the API with Entra sign-in, separated by commas.')
param signInAllowedClientIds string = ''

// Unique in all of Azure where a name has to be, and the same at every deployment of this environment.
var token = uniqueString(subscription().id, environmentName, location)
var names = {
  resourceGroup: 'rg-${environmentName}'
  identity: 'id-${token}'
  workspace: 'log-${token}'
  applicationInsights: 'appi-${token}'
  storage: 'st${token}'
  topic: 'evgt-${token}'
  vault: 'kv-${token}'
  network: 'vnet-${token}'
  plan: 'plan-${token}'
  app: 'func-${token}'
  availabilityTest: 'health-${token}'
  actionGroup: 'ag-${token}'
  workbook: guid('${subscription().id}/resourceGroups/rg-${environmentName}', 'event-bridge')
}
var usesAppRegistration = !empty(customerInsightsClientId)
var tags = { 'azd-env-name': environmentName }
var settings = {
  CUSTOMER_INSIGHTS_ENDPOINT: customerInsightsEndpoint
  CUSTOMER_INSIGHTS_SCOPE: customerInsightsScope
  CUSTOMER_INSIGHTS_INSTANCES: customerInsightsInstances
  CUSTOMER_INSIGHTS_WORKFLOW: customerInsightsWorkflow
  CUSTOMER_INSIGHTS_TENANT_ID: customerInsightsTenantId
  CUSTOMER_INSIGHTS_CLIENT_ID: customerInsightsClientId
  POLL_REFRESHES_SCHEDULE: pollRefreshesSchedule
  POLL_THRESHOLDS_SCHEDULE: pollThresholdsSchedule
  POLL_INLINE_MAX: pollInlineMax
  POLLING_FAILED_AFTER_SECONDS: pollingFailedAfterSeconds
  CALLBACK_ALLOWED_HOSTS: callbackAllowedHosts
  CALLBACK_TIMEOUT_SECONDS: callbackTimeoutSeconds
  DELIVERY_RETRY_SECONDS: deliveryRetrySeconds
  DELIVERY_MAX_AGE_HOURS: deliveryMaxAgeHours
  DELIVERY_RATE_PER_SECOND: deliveryRatePerSecond
  EVENT_RETENTION_DAYS: eventRetentionDays
  CONSOLE_ENABLED: consoleEnabled
  PUBLIC_URL: publicUrl
}

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: names.resourceGroup
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  scope: group
  params: {
    name: names.identity
    location: location
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  scope: group
  params: {
    workspaceName: names.workspace
    applicationInsightsName: names.applicationInsights
    location: location
    tags: tags
  }
}

module storage 'modules/storage.bicep' = {
  scope: group
  params: {
    name: names.storage
    location: location
    tags: tags
    workspaceName: names.workspace
    isPrivate: vnetEnabled
    isZoneRedundant: zoneRedundant != 'none'
  }
  dependsOn: [monitoring]
}

module topic 'modules/topic.bicep' = {
  scope: group
  params: {
    name: names.topic
    location: location
    tags: tags
    workspaceName: names.workspace
    isPrivate: vnetEnabled
  }
  dependsOn: [monitoring]
}

module vault 'modules/vault.bicep' = {
  scope: group
  params: {
    name: names.vault
    location: location
    tags: tags
    isPrivate: vnetEnabled
    customerInsightsSubscriptionKey: customerInsightsSubscriptionKey
    usesAppRegistration: usesAppRegistration
    customerInsightsClientSecret: customerInsightsClientSecret
    callbackEncryptionSeed: callbackEncryptionSeed
  }
}

module roles 'modules/roles.bicep' = {
  scope: group
  params: {
    // Known during the deployment only, so a preview shows these assignments without their names.
    #disable-next-line what-if-short-circuiting
    appPrincipalId: identity.outputs.principalId
    #disable-next-line what-if-short-circuiting
    topicPrincipalId: topic.outputs.principalId
    topicName: names.topic
    storageName: names.storage
    vaultName: names.vault
    applicationInsightsName: names.applicationInsights
  }
  dependsOn: [storage, vault, monitoring]
}

module operators 'modules/operators.bicep' = if (!empty(operatorGroupId)) {
  scope: group
  params: {
    groupId: operatorGroupId
    storageName: names.storage
  }
  dependsOn: [storage]
}

module eventSubscription 'modules/event-subscription.bicep' = {
  scope: group
  params: {
    topicName: names.topic
    storageName: names.storage
  }
  // Event Grid tries the queue when the subscription is made.
  dependsOn: [roles]
}

module network 'modules/network.bicep' = if (vnetEnabled) {
  scope: group
  params: {
    name: names.network
    location: location
    tags: tags
    storageName: names.storage
    topicName: names.topic
    vaultName: names.vault
  }
  dependsOn: [storage, topic, vault]
}

module app 'modules/app.bicep' = {
  scope: group
  params: {
    name: names.app
    planName: names.plan
    location: location
    tags: tags
    identityName: names.identity
    storageName: names.storage
    topicName: names.topic
    vaultName: names.vault
    applicationInsightsName: names.applicationInsights
    workspaceName: names.workspace
    subnetId: vnetEnabled
      ? resourceId(
          subscription().subscriptionId,
          names.resourceGroup,
          'Microsoft.Network/virtualNetworks/subnets',
          names.network,
          'app'
        )
      : ''
    settings: settings
    usesAppRegistration: usesAppRegistration
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    isZoneRedundant: zoneRedundant == 'all'
    alwaysReadyDeliver: alwaysReadyDeliver
    signInClientId: signInClientId
    signInAllowedClientIds: filter(split(replace(signInAllowedClientIds, ' ', ''), ','), id => !empty(id))
  }
  // It reads its package and its secrets when it starts.
  dependsOn: [roles, network]
}

module availability 'modules/availability.bicep' = {
  scope: group
  params: {
    name: names.availabilityTest
    location: location
    tags: tags
    applicationInsightsName: names.applicationInsights
    url: app.outputs.url
  }
}

module alerts 'modules/alerts.bicep' = {
  scope: group
  params: {
    actionGroupName: names.actionGroup
    location: location
    tags: tags
    workspaceName: names.workspace
    topicName: names.topic
    email: alertEmail
    webhookUrl: alertWebhookUrl
    runbookUrl: runbookUrl
    workbookName: names.workbook
  }
  dependsOn: [monitoring, topic, workbook]
}

module workbook 'modules/workbook.bicep' = {
  scope: group
  params: {
    name: names.workbook
    location: location
    tags: tags
    workspaceName: names.workspace
  }
  dependsOn: [monitoring]
}

output AZURE_RESOURCE_GROUP string = names.resourceGroup
output AZURE_FUNCTION_APP_NAME string = names.app
output AZURE_STORAGE_ACCOUNT_NAME string = names.storage
output AZURE_KEY_VAULT_NAME string = names.vault
output AZURE_EVENT_GRID_TOPIC_NAME string = names.topic
output AZURE_APPLICATION_INSIGHTS_NAME string = names.applicationInsights
output AZURE_LOG_ANALYTICS_WORKSPACE_ID string = monitoring.outputs.workspaceId
output AZURE_IDENTITY_NAME string = names.identity
output BRIDGE_URL string = app.outputs.url
