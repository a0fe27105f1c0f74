metadata description = 'The function app on a Flex Consumption plan. Its identity needs its roles before it starts.'

param name string
param planName string
param location string
param tags { *: string }
param identityName string
param storageName string
param topicName string
param vaultName string
param applicationInsightsName string
param workspaceName string

@description('The subnet for outgoing calls; empty: none.')
param subnetId string

@description('What the bridge is to be told, by name. An empty value is left out, and the bridge\'s default holds.')
param settings { *: string }

@description('Whether an app registration reads Customer Insights, whose secret the vault holds; else the identity does.')
param usesAppRegistration bool

param instanceMemoryMB int
param maximumInstanceCount int

@description('Run in two zones: Azure then keeps two instances ready for HTTP and for each other function.')
param isZoneRedundant bool

@description('Instances that always wait for deliveries, so that none waits for a cold start.')
param alwaysReadyDeliver int

@description('Client id of the app registration for sign-in to the API; empty: function keys alone.')
param signInClientId string

@description('Client ids of the apps that may call the API.')
param signInAllowedClientIds string[]

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: identityName
}

resource storage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageName
}

resource topic 'Microsoft.EventGrid/topics@2025-02-15' existing = {
  name: topicName
}

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' existing = {
  name: workspaceName
}

var secret = '@Microsoft.KeyVault(VaultName=${vaultName};SecretName={0})'

var appSettings = concat(
  map(filter(items(settings), setting => !empty(setting.value)), setting => { name: setting.key, value: setting.value }),
  usesAppRegistration
    ? [{ name: 'CUSTOMER_INSIGHTS_CLIENT_SECRET', value: format(secret, 'customer-insights-client-secret') }]
    : [],
  [
    { name: 'AzureWebJobsStorage__credential', value: 'managedidentity' }
    { name: 'AzureWebJobsStorage__clientId', value: identity.properties.clientId }
    { name: 'AzureWebJobsStorage__blobServiceUri', value: storage.properties.primaryEndpoints.blob }
    { name: 'AzureWebJobsStorage__queueServiceUri', value: storage.properties.primaryEndpoints.queue }
    { name: 'AzureWebJobsStorage__tableServiceUri', value: storage.properties.primaryEndpoints.table }
    { name: 'APPLICATIONINSIGHTS_CONNECTION_STRING', value: applicationInsights.properties.ConnectionString }
    {
      name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING'
      value: 'ClientId=${identity.properties.clientId};Authorization=AAD'
    }
    // The host then leaves the worker's log to the bridge, so that no line arrives twice.
    { name: 'PYTHON_ENABLE_OPENTELEMETRY', value: 'true' }
    // What the SDK would count of itself, among the bridge's own metrics.
    { name: 'APPLICATIONINSIGHTS_SDKSTATS_DISABLED', value: 'true' }
    { name: 'EVENT_GRID_TOPIC_ENDPOINT', value: topic.properties.endpoint }
    { name: 'CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY', value: format(secret, 'customer-insights-subscription-key') }
    { name: 'CALLBACK_ENCRYPTION_KEY', value: format(secret, 'callback-encryption-key') }
    { name: 'CALLBACK_ENCRYPTION_KEY_PREVIOUS', value: format(secret, 'callback-encryption-key-previous') }
  ]
)

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: {
    reserved: true
    zoneRedundant: isZoneRedundant
  }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  location: location
  // azd deploys to the site that carries its service's name.
  tags: union(tags, { 'azd-service-name': 'bridge' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity.id}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    // Flows subscribe from outside, with or without a virtual network.
    publicNetworkAccess: 'Enabled'
    keyVaultReferenceIdentity: identity.id
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    functionAppConfig: {
      runtime: { name: 'python', version: '3.13' }
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}deployments'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: alwaysReadyDeliver == 0 ? [] : [{ name: 'function:deliver', instanceCount: alwaysReadyDeliver }]
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      appSettings: appSettings
    }
  }

  resource ftp 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: { allow: false }
  }

  resource scm 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: { allow: false }
  }

  // Deployed also when it is off, so that a later deployment can turn it off.
  resource signIn 'config' = {
    name: 'authsettingsV2'
    properties: {
      platform: { enabled: !empty(signInClientId) }
      globalValidation: {
        requireAuthentication: !empty(signInClientId)
        unauthenticatedClientAction: 'Return401'
        // The availability test, a platform that unsubscribes, and whoever opens the console come without a token.
        excludedPaths: ['/api/health', '/api/unsubscribe/*', '/api/console', '/api/console/*']
      }
      identityProviders: {
        azureActiveDirectory: {
          enabled: !empty(signInClientId)
          registration: {
            clientId: signInClientId
            // Who issues tokens of version 2, which the registration must ask for. Their audience is the bare id.
            openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
          }
          validation: {
            allowedAudiences: empty(signInClientId) ? [] : [signInClientId]
            defaultAuthorizationPolicy: { allowedApplications: signInAllowedClientIds }
          }
        }
      }
      httpSettings: { requireHttps: true }
      login: { tokenStore: { enabled: false } }
    }
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'bridge'
  scope: app
  properties: {
    workspaceId: workspace.id
    // What the host says before it can send telemetry, for instance why it does not start.
    logs: [{ category: 'FunctionAppLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

output url string = 'https://${app.properties.defaultHostName}'
