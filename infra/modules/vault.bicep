metadata description = 'The Key Vault with the bridge\'s secrets. App settings refer to them.'

param name string
param location string
param tags { *: string }

@description('Let nobody in but private endpoints and Azure services that Azure itself trusts.')
param isPrivate bool

@secure()
param customerInsightsSubscriptionKey string

@description('Whether there is an app registration with a client secret.')
param usesAppRegistration bool

@secure()
param customerInsightsClientSecret string

@description('Random letters and digits, of which the first key is made.')
@minLength(42)
@maxLength(42)
@secure()
param callbackEncryptionSeed string

// 42 characters of base64 are 252 bits; the last character fills up to 32 bytes.
var callbackEncryptionKey = '${callbackEncryptionSeed}A='

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      defaultAction: isPrivate ? 'Deny' : 'Allow'
      // Azure Resource Manager writes the secrets of a deployment.
      bypass: 'AzureServices'
    }
  }

  resource subscriptionKey 'secrets' = {
    name: 'customer-insights-subscription-key'
    properties: { value: customerInsightsSubscriptionKey }
  }

  resource clientSecret 'secrets' = if (usesAppRegistration) {
    name: 'customer-insights-client-secret'
    properties: { value: customerInsightsClientSecret }
  }

  // Written once: another key would make every stored callback unreadable. Whoever rotates it writes to the vault, and
  // no later deployment, from whatever machine, takes that back.
  @onlyIfNotExists()
  resource encryptionKey 'secrets' = {
    name: 'callback-encryption-key'
    properties: { value: callbackEncryptionKey, contentType: 'base64 of 32 bytes' }
  }

  // The key before a rotation; before the first one, the key itself, so that the app setting always finds one.
  @onlyIfNotExists()
  resource previousEncryptionKey 'secrets' = {
    name: 'callback-encryption-key-previous'
    properties: { value: callbackEncryptionKey, contentType: 'base64 of 32 bytes' }
  }
}
