using '../main.bicep'

// Every option taken. All values are made up.
param environmentName = 'sample'
param location = 'westeurope'
param customerInsightsSubscriptionKey = 'made-up-subscription-key'
param alertEmail = 'operator@example.com'
param alertWebhookUrl = 'https://flows.example.com/alerts?sig=made-up-signature'
param runbookUrl = 'https://docs.example.com/operations.md'
param operatorGroupId = '77777777-7777-7777-7777-777777777777'
param callbackEncryptionSeed = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP'
param customerInsightsTenantId = '11111111-1111-1111-1111-111111111111'
param customerInsightsClientId = '22222222-2222-2222-2222-222222222222'
param customerInsightsClientSecret = 'made-up-client-secret'
param customerInsightsEndpoint = 'https://api.ci.ai.dynamics.com/v1'
param customerInsightsScope = 'https://api.ci.ai.microsoft.com/.default'
param customerInsightsInstances = '33333333-3333-3333-3333-333333333333'
param customerInsightsWorkflow = 'main'
param pollRefreshesSchedule = '0 */2 * * * *'
param pollThresholdsSchedule = '30 */10 * * * *'
param callbackAllowedHosts = '*.logic.azure.com,*.api.powerplatform.com,flows.example.com'
param callbackTimeoutSeconds = '20'
param deliveryRetrySeconds = '10,60,600'
param deliveryMaxAgeHours = '24'
param deliveryRatePerSecond = '5'
param eventRetentionDays = '90'
param publicUrl = 'https://events.example.com'
param instanceMemoryMB = 512
param maximumInstanceCount = 100
param alwaysReadyDeliver = 1
param zoneRedundant = 'all'
param vnetEnabled = true
param signInClientId = '44444444-4444-4444-4444-444444444444'
param signInAllowedClientIds = '55555555-5555-5555-5555-555555555555, 66666666-6666-6666-6666-666666666666'
