using '../main.bicep'

// What `azd up` deploys when nothing but its questions is answered. All values are made up.
param environmentName = 'sample'
param location = 'westeurope'
param customerInsightsSubscriptionKey = 'made-up-subscription-key'
param alertEmail = 'operator@example.com'
param callbackEncryptionSeed = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP'
